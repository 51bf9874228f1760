"""dinplug inside GIMP 3: procedures and dialogs made of the manifest.

It runs in GIMP's own Python and keeps to the standard library and GObject introspection.
"""
