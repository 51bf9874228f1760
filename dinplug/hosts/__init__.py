"""dinplug inside Krita and GIMP: a worker process of dinplug's own, and what the hosts load.

`installation.IN_HOST` and the packages `krita` and `gimp` are copied into the hosts' plugins: they
keep to the standard library and the host's API, to the syntax of Python 3.8, and import only each
other, relatively. `installation`, `places`, `kritarc` and `condition` put them there and look after
them. The rest runs in the worker.
"""
