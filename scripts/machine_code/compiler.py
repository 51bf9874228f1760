"""Compiles what is written, and sees to it that the code is complete in itself."""

from __future__ import annotations

import itertools
from pathlib import Path

import llvmlite.binding as llvm

from scripts.machine_code.direct import Direct
from scripts.machine_code.winograd import Winograd
from scripts.machine_code.writer import LAYOUT, PROCESSORS, TRIPLE, Processor, Writer

KINDS: dict[str, type[Writer]] = {"direct": Direct, "winograd": Winograd}


def compiled(kind: str, processor: Processor, vectors: int) -> bytes:
    """The machine code of one function; RuntimeError where it is not complete in itself."""
    target = llvm.Target.from_triple(TRIPLE)
    machine = target.create_target_machine(
        cpu=processor.level, features="-prefer-256-bit", opt=3, reloc="pic", codemodel="small"
    )
    module = llvm.parse_assembly(str(KINDS[kind](processor, vectors).module))
    module.verify()
    options = llvm.create_pipeline_tuning_options(speed_level=3)
    passes = llvm.create_pass_builder(machine, options)
    passes.getModulePassManager().run(module, passes)
    found = llvm.ObjectFileRef.from_data(machine.emit_object(module))
    sections = {bytes(section.name() or b""): section.data() for section in found.sections()}
    if any(name.startswith((b".rela.text", b".rodata")) for name in sections):
        name = f"{kind}, {processor.level}, {vectors} vectors"
        raise RuntimeError(f"{name}: the code refers to other data")
    return bytes(sections[b".text"])


def write(folder: Path) -> list[Path]:
    """Write every function's file into `folder`."""
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for kind, processor in itertools.product(KINDS, PROCESSORS):
        for vectors in range(1, processor.most_vectors + 1):
            path = folder / f"{kind}-{processor.level}-{LAYOUT}-{vectors}.bin"
            path.write_bytes(compiled(kind, processor, vectors))
            written.append(path)
    return written
