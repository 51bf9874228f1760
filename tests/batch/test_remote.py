"""What another process makes of a photo is what this one would make of it, to the byte."""

import os
import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from dinplug.batch import remote
from dinplug.batch.loading import load_photo, read_order
from dinplug.batch.plan import Job
from dinplug.batch.remote import Failure, Result, Terms
from dinplug.batch.wishes import Wishes
from dinplug.checkpoints import LoadedModel
from dinplug.errors import PhotoError, ReadError, SetupError, WriteError
from dinplug.imaging import write_photo
from dinplug.imaging.profiles import named_profile
from dinplug.imaging.write import write_encoded
from tests.imaging.test_xmp import DEVELOPED, PACKET

WISHES = Wishes(model="tiny-dehaze", device="cpu")


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, shape, dtype=np.uint8)


def jpeg(path: Path) -> None:
    Image.fromarray(noise(30, 40, 3)).save(path, "JPEG", quality=80)
    path.with_suffix(".xmp").write_bytes(PACKET)
    path.with_name(f"{path.name}.xmp").write_bytes(DEVELOPED)


def tiff(path: Path) -> None:
    tifffile.imwrite(path, noise(30, 40, 4).astype(np.uint16) * 257, extrasamples=["unassalpha"])


def png_with_namesake(path: Path) -> None:
    Image.fromarray(noise(30, 40, 3)).save(path, "PNG")
    path.with_suffix(".jpg").touch()
    path.with_suffix(".xmp").write_bytes(PACKET)


def two_pages(path: Path) -> None:
    tifffile.imwrite(path, noise(2, 30, 40, 3), photometric="rgb")


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def both_ways(source: Path, folder: Path, suffix: str, wishes: Wishes) -> tuple[str, ...]:
    """Restore `source` here and as another process would; return the notes, which are the same."""
    results, notes = [], []
    model = wishes.load()
    for way in ("here", "there"):
        job = Job(source, folder / way / f"result{suffix}", folder / way)
        job.folder.mkdir()
        if way == "here":
            restored = wishes.restorer(model).restore_photo(load_photo(job).photo)
            told = write_photo(restored, job.target, wishes.write_options)
            notes.append((*restored.source.warnings, *told))
        else:
            order, _, told_first = read_order(job)
            sent = pickle.loads(pickle.dumps((wishes.terms(model), 1, order)))
            answer = remote.restore(*sent)
            assert isinstance(answer, Result), answer
            written = write_encoded(answer.content, answer.sidecars, job.target, original=source)
            notes.append((*answer.notes, *told_first, *written))
        results.append(files_of(job.folder))
    assert results[0] == results[1]
    assert notes[0] == notes[1]
    return notes[0]


@pytest.mark.parametrize(
    "make, name, wishes",
    [
        (jpeg, "a.jpg", WISHES),
        (jpeg, os.fsdecode(b"gr\xfc\xdfe.jpg"), WISHES),
        (tiff, "a.tif", replace(WISHES, strength=0.5, compression="lzw")),
        (png_with_namesake, "a.png", replace(WISHES, output_profile="Display-P3")),
        (two_pages, "a.tif", WISHES),
    ],
)
def test_results_sidecars_and_notes_are_the_same(
    make: Callable[[Path], None], name: str, wishes: Wishes, tiny_models: Path, tmp_path: Path
) -> None:
    source = tmp_path / name
    make(source)
    notes = both_ways(source, tmp_path, source.suffix, wishes)
    assert bool(notes) == (make is two_pages)


def test_a_profile_of_the_users_travels(tiny_models: Path, tmp_path: Path) -> None:
    profile = tmp_path / "my own.icc"
    profile.write_bytes(named_profile("prophoto"))
    source = tmp_path / "a.jpg"
    jpeg(source)
    wishes = replace(WISHES, output_profile=str(profile))
    both_ways(source, tmp_path, ".jpg", wishes)
    terms = wishes.terms(wishes.load())
    order, _, _ = read_order(Job(source, tmp_path / "b.jpg", tmp_path))
    profile.unlink()
    assert isinstance(remote.restore(terms, 1, order), Result)


def test_a_raw_takes_its_sidecar_along(tiny_models: Path, shared: Path, tmp_path: Path) -> None:
    original = min((shared / "data" / "files" / "raw").iterdir(), key=lambda p: p.stat().st_size)
    source = tmp_path / original.name
    source.write_bytes(original.read_bytes())
    source.with_suffix(".xmp").write_bytes(DEVELOPED)
    both_ways(source, tmp_path, ".tif", replace(WISHES, model="tiny-derain"))


def failure(terms: Terms, source: Path, target: str = "result.png") -> Failure:
    order, _, _ = read_order(Job(source, source.parent / target, source.parent))
    answer = remote.restore(terms, 1, order)
    assert isinstance(answer, Failure)
    return answer


def test_errors_speak_of_the_users_own_files(tiny_models: Path, tmp_path: Path) -> None:
    terms = WISHES.terms(WISHES.load())
    source = tmp_path / "broken.png"
    Image.fromarray(noise(30, 40, 3)).save(source)
    source.write_bytes(source.read_bytes()[:200])
    told = failure(terms, source)
    assert type(told.error) is ReadError and str(told.error).startswith(f"{source}: ")
    clear = tmp_path / "clear.png"
    Image.fromarray(noise(30, 40, 4)).save(clear)
    told = failure(replace(terms, wishes=replace(terms.wishes, format="jpeg")), clear)
    assert type(told.error) is WriteError and str(told.error).startswith(f"{clear}: it has")


def test_an_unexpected_error_keeps_its_traceback(
    tiny_models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stumble(*arguments: object) -> None:
        raise RuntimeError("out of luck")

    monkeypatch.setattr("dinplug.restoration.Restorer.restore_photo", stumble)
    source = tmp_path / "a.jpg"
    jpeg(source)
    told = failure(WISHES.terms(WISHES.load()), source)
    assert type(told.error) is PhotoError
    assert str(told.error) == f"{source}: unexpected RuntimeError: out of luck"
    assert "in stumble" in told.trace


def test_a_full_disk_of_the_worker_is_not_the_photos_fault(
    tiny_models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(part: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("dinplug.imaging.write._sync", full)
    source = tmp_path / "a.jpg"
    jpeg(source)
    told = failure(WISHES.terms(WISHES.load()), source)
    assert type(told.error) is SetupError and "the disk is full" in str(told.error)


def test_other_software_is_refused(tiny_models: Path) -> None:
    terms = WISHES.terms(WISHES.load())
    newer = (("dinplug", "99.0"), *terms.software[1:])
    told = remote.prepare(replace(terms, software=newer), 1)
    assert told is not None and type(told.error) is SetupError
    assert "the batch runs with 99.0" in str(told.error)


def test_other_weights_are_refused(tiny_models: Path) -> None:
    told = remote.prepare(replace(WISHES.terms(WISHES.load()), weights_sha256="ab" * 32), 1)
    assert told is not None and "its weights of tiny-dehaze are others" in str(told.error)


def test_weights_are_loaded_once(tiny_models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    terms, loads = replace(WISHES.terms(WISHES.load()), profile=b"new terms"), list[Wishes]()
    load = Wishes.load

    def counted(wishes: Wishes) -> LoadedModel:
        loads.append(wishes)
        return load(wishes)

    monkeypatch.setattr(Wishes, "load", counted)
    assert [remote.prepare(terms, 1) for _ in range(3)] == [None, None, None]
    assert len(loads) == 1


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    with pytest.raises(ReadError, match="it is a device or a pipe"):
        read_order(Job(tmp_path / "pipe.jpg", tmp_path / "out.jpg", tmp_path))
