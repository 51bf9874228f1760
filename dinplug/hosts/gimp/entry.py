#!/usr/bin/env python3
"""The plug-in that GIMP starts: `plug-ins/dinplug/dinplug.py`, beside the package `hosts`."""

import sys

from hosts.gimp.plugin import main

main(sys.argv)
