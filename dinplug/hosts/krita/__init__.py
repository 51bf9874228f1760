"""dinplug inside Krita: menu entries, a dialog, and the way of a layer's pixels to the worker."""
