"""dinplug inside Krita and GIMP: a worker process of dinplug's own, and what the hosts load.

`protocol`, `manifest`, `pixels`, `launch` and `client` are copied into the hosts' plugins: they
keep to the standard library, to the syntax of Python 3.8, and import only each other, relatively.
The rest runs in the worker.
"""
