"""Restores each of the photos that are ordered, and tells what became of it."""

from tests.end_to_end.gimp.inside import lab

found = {}
for name, order in lab.ORDERS["photos"].items():
    image, layer = lab.photo(order)
    before = lab.read(layer)
    made, said = lab.run(order["procedure"], image, [layer], **order["arguments"])
    entry = {**said, "unchanged": lab.read(layer) == before, "layers": lab.layers(image)}
    if made is not None and isinstance(made, lab.Gimp.Image):
        entry["image"] = {
            "size": [made.get_width(), made.get_height()],
            "precision": made.get_precision().value_nick,
            "layers": lab.layers(made),
        }
        entry["result"] = lab.told(made.get_layers()[0], name)
        made.delete()
    elif made is not None:
        entry["result"] = lab.told(made, name)
    found[name] = entry
    image.delete()

procedures = {}
for name in lab.ORDERS["procedures"]:
    procedure = lab.Gimp.get_pdb().lookup_procedure(name)
    procedures[name] = {
        "label": procedure.get_menu_label(),
        "paths": list(procedure.get_menu_paths()),
        "types": procedure.get_image_types(),
        "arguments": {
            entry.name: [entry.blurb, str(procedure.create_config().get_property(entry.name))]
            for entry in procedure.get_arguments()[3:]
        },
    }
lab.report({"photos": found, "procedures": procedures})
