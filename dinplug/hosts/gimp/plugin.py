"""The plug-in: a procedure for each task of the manifest, for menus, scripts and batches alike."""

from __future__ import annotations

import sys
import traceback
from typing import TYPE_CHECKING, Any

from .. import manifest as manifests
from ..client import WorkerError
from ..launch import LaunchError
from ..protocol import ProtocolError
from .arguments import add_arguments, parameters_from
from .introspection import Gegl, Gimp, GLib, GObject
from .order import HOST, makes_image, order_for, restore
from .refusal import RefusalError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..manifest import Manifest

PREFIX = "dinplug-"
"""Procedures are named after their tasks: dinplug-dehaze."""


class DinplugPlugIn(Gimp.PlugIn):
    """What GIMP asks for procedures."""

    def do_set_i18n(self, _name: str) -> bool:
        """Its texts are English only."""
        return False

    def do_query_procedures(self) -> list[str]:
        """Name the procedures."""
        return [PREFIX + task["id"] for task in manifests.load_manifest()["tasks"]]

    def do_create_procedure(self, name: str) -> Any:
        """Make a procedure."""
        manifest = manifests.load_manifest()
        task = manifests.task_of(manifest, name[len(PREFIX) :])
        procedure = Gimp.ImageProcedure.new(self, name, Gimp.PDBProcType.PLUGIN, run, manifest)
        procedure.set_image_types("RGB*, GRAY*")
        procedure.set_sensitivity_mask(Gimp.ProcedureSensitivityMask.DRAWABLE)
        procedure.set_menu_label(task["menu_label"])
        procedure.add_menu_path(task["menu_path"][HOST])
        kind = "an image" if makes_image(task) else "a layer above"
        procedure.set_documentation(
            f"{task['title']}: restore a photo", f"Puts the result into {kind}.", None
        )
        procedure.set_attribution("dinplug", "dinplug", "2026")
        add_arguments(procedure, task)
        flags = GObject.ParamFlags.READWRITE
        if makes_image(task):
            procedure.add_image_return_value("result", "Result", "The new image", False, flags)
        else:
            procedure.add_layer_return_value("result", "Result", "The new layer", False, flags)
        return procedure


def run(
    procedure: Any,
    run_mode: Any,
    image: Any,
    drawables: Sequence[Any],
    config: Any,
    manifest: Manifest,
) -> Any:
    """Restore the selected layer; whatever goes wrong becomes an error of GIMP's."""
    status = Gimp.PDBStatusType
    try:
        Gegl.init(None)
        task = manifests.task_of(manifest, procedure.get_name()[len(PREFIX) :])
        order = order_for(task, manifest["version"], image, drawables)
        if run_mode == Gimp.RunMode.INTERACTIVE:
            from .dialog import Dialog

            with Dialog(procedure, config, order) as dialog:
                made = dialog.run()
        else:
            made = restore(order, parameters_from(config, task))
        if made is None:
            return procedure.new_return_values(status.CANCEL, GLib.Error())
        if makes_image(task) and run_mode != Gimp.RunMode.NONINTERACTIVE:
            Gimp.Display.new(made)
        Gimp.displays_flush()
        return success(procedure, made)
    except RefusalError as refusal:
        return failure(procedure, status.CALLING_ERROR, str(refusal))
    except WorkerError as error:
        sys.stderr.write(error.detail)
        kind = status.CALLING_ERROR if error.kind == "usage" else status.EXECUTION_ERROR
        return failure(procedure, kind, str(error))
    except (LaunchError, ProtocolError) as error:
        return failure(procedure, status.EXECUTION_ERROR, str(error))
    except Exception as error:  # GIMP would only say that the plug-in crashed
        traceback.print_exc()
        said = f"unexpected {type(error).__name__}: {error}"
        return failure(procedure, status.EXECUTION_ERROR, said)


def success(procedure: Any, made: Any) -> Any:
    """What a procedure returns: the new layer or image."""
    values = procedure.new_return_values(Gimp.PDBStatusType.SUCCESS, GLib.Error())
    values.remove(1)
    values.insert(1, GObject.Value(made.__gtype__, made))
    return values


def failure(procedure: Any, status: Any, sentence: str) -> Any:
    """What a procedure returns when it fails."""
    return procedure.new_return_values(status, GLib.Error(sentence))


def main(arguments: list[str]) -> None:
    """Answer GIMP, which started this process."""
    Gimp.main(DinplugPlugIn.__gtype__, arguments)
