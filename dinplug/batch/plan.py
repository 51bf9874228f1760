"""Decide, before anything is touched, which photo becomes which file.

No result ever takes the place of an input, and no two inputs share a result.
"""

import os
import stat
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from dinplug.batch.journal import Fingerprint, Journal, Recipe, Record
from dinplug.batch.naming import NameTemplate, Wanted, free_names, windows_objection
from dinplug.batch.patterns import Patterns
from dinplug.batch.walk import Found, IsPhotoName, Walk
from dinplug.errors import UsageError

SuffixOf = Callable[[Path], str]
ALREADY_DONE = "already done"
_ON_WINDOWS = os.name == "nt"


@dataclass(frozen=True)
class Request:
    """What the user asks for. `scale` is the factor as it shall stand in names."""

    paths: tuple[Path, ...]
    scale: str = "1"
    out: Path | None = None
    include: Patterns = field(default_factory=Patterns)
    exclude: Patterns = field(default_factory=Patterns)
    name: NameTemplate = field(default_factory=NameTemplate)
    overwrite: bool = False


@dataclass(frozen=True)
class Job:
    """Restore `source` into `target`; `folder` is where the run's journal lies."""

    source: Path
    target: Path
    folder: Path


@dataclass(frozen=True)
class Skip:
    """A job that needs nothing, and why."""

    job: Job
    reason: str


@dataclass(frozen=True)
class Refusal:
    """A job that cannot be done safely, and why."""

    job: Job
    reason: str


@dataclass(frozen=True)
class BatchPlan:
    """All photos of a request in order; `notes` are for the user to read."""

    jobs: tuple[Job, ...]
    skips: tuple[Skip, ...] = ()
    refusals: tuple[Refusal, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def folders(self) -> tuple[Path, ...]:
        """The folders where results go or lie."""
        jobs = (*self.jobs, *(skip.job for skip in self.skips))
        return tuple(dict.fromkeys(job.folder for job in jobs))


def make_plan(
    request: Request,
    recipe: Recipe,
    *,
    is_photo_name: IsPhotoName,
    suffix_of: SuffixOf,
    is_foreign_name: IsPhotoName = lambda _: False,
) -> BatchPlan:
    """Plan `request`. Reads folders and journals, writes nothing.

    `suffix_of` gives the extension (with its dot) of the result of an input. Raises UsageError
    where a path is missing, nothing is to be found, or results would replace their originals.
    """
    found, notes = find_photos(request, is_photo_name, is_foreign_name)
    if not found:
        where = ", ".join(map(str, request.paths))
        patterns = " fit --include and --exclude" * bool(request.include or request.exclude)
        why = "".join(f" ({note})" for note in notes)
        raise UsageError(f"no photos in {where}{patterns}{why}")
    return plan_photos(request, recipe, found, suffix_of, notes)


def find_photos(
    request: Request, is_photo_name: IsPhotoName, is_foreign_name: IsPhotoName
) -> tuple[list[Found], list[str]]:
    """Return the photos of a request and notes on what was left out; UsageError as above."""
    results = Journal.read(request.out).outputs() if request.out else set()
    walk = Walk(
        is_photo_name,
        request.include,
        request.exclude,
        request.out,
        frozenset(Path(os.path.abspath(path)) for path in results),
        is_foreign_name,
    )
    return walk.find(request.paths), walk.notes


def plan_photos(
    request: Request,
    recipe: Recipe,
    found: Sequence[Found],
    suffix_of: SuffixOf,
    notes: Sequence[str] = (),
) -> BatchPlan:
    """Plan for the photos that were `found`; UsageError where results would replace originals."""
    folders = [_results_folder(request, recipe.task, photo) for photo in found]
    journals = {folder: Journal.read(folder) for folder in dict.fromkeys(folders)}
    jobs = _name_jobs(request, recipe, found, folders, journals, suffix_of)
    notes = [
        *notes,
        *(
            f"{job.source}: written as {job.target.name}, another photo has that name already"
            for job, wanted in jobs
            if job.target.name != wanted
        ),
    ]
    return _sort_out([job for job, _ in jobs], journals, recipe, request.overwrite, notes)


def _name_jobs(
    request: Request,
    recipe: Recipe,
    found: Sequence[Found],
    folders: Sequence[Path],
    journals: Mapping[Path, Journal],
    suffix_of: SuffixOf,
) -> list[tuple[Job, str]]:
    """Return each job with the name it wanted."""
    mirrored = _common_folder(found) if request.out else None
    wanted = []
    for photo, folder in zip(found, folders, strict=True):
        place = folder / photo.path.parent.relative_to(mirrored or photo.root)
        earlier = journals[folder].results_of(photo.path)
        wanted.append(
            Wanted(
                source=photo.path,
                folder=PurePosixPath(place.as_posix()),
                stem=request.name.stem(photo.path, recipe.task, recipe.model, request.scale),
                suffix=suffix_of(photo.path),
                earlier=frozenset(path.name for path in earlier if path.parent == place),
            )
        )
    return [
        (Job(place.source, Path(place.folder, name), folder), place.stem + place.suffix)
        for place, name, folder in zip(wanted, free_names(wanted), folders, strict=True)
    ]


def _common_folder(found: Sequence[Found]) -> Path:
    """The folder whose tree is mirrored under `--out`: what all named paths have in common."""
    return Path(os.path.commonpath([str(photo.root) for photo in found]))


def _results_folder(request: Request, task: str, photo: Found) -> Path:
    if request.out is not None:
        return Path(os.path.abspath(request.out))
    if not photo.root.name:
        raise UsageError(f"{photo.root} has no sibling folder; say where results go with --out")
    return photo.root.with_name(f"{photo.root.name}-{task}")


def _sort_out(
    jobs: list[Job],
    journals: Mapping[Path, Journal],
    recipe: Recipe,
    overwrite: bool,
    notes: Iterable[str],
) -> BatchPlan:
    inputs = {os.path.realpath(job.source) for job in jobs}
    identities = {identity for job in jobs if (identity := _identity(job.source))}
    todo: list[Job] = []
    skips: list[Skip] = []
    refusals: list[Refusal] = []
    for job in jobs:
        if os.path.realpath(job.target) in inputs or _identity(job.target) in identities:
            if is_same_file(job.source, job.target):
                raise UsageError(
                    f"the result would replace the original {job.source}; "
                    "choose another --out, or a --name such as {stem}_{task}"
                )
            refusals.append(Refusal(job, f"its result would replace the photo {job.target}"))
            continue
        if _ON_WINDOWS and (objection := _name_objection(job)):
            refusals.append(Refusal(job, f"{objection}; choose another --name or rename it"))
            continue
        verdict = _look_at_target(job, journals[job.folder], recipe, overwrite)
        if isinstance(verdict, Skip):
            skips.append(verdict)
        elif isinstance(verdict, Refusal):
            refusals.append(verdict)
        else:
            todo.append(job)
    return BatchPlan(tuple(todo), tuple(skips), tuple(refusals), tuple(notes))


def _name_objection(job: Job) -> str | None:
    parts = job.target.relative_to(job.folder).parts
    return next(filter(None, map(windows_objection, parts)), None)


def _look_at_target(
    job: Job, journal: Journal, recipe: Recipe, overwrite: bool
) -> Skip | Refusal | None:
    if not os.path.lexists(job.target):
        return None
    if os.path.isdir(job.target):
        return Refusal(job, f"{job.target} is a folder; choose another --out or --name")
    if overwrite:
        return None
    record = journal.find(job.target)
    if record is None and (begun := journal.find_begun(job.target)) is not None:
        if is_reservation(job.target):
            return None
        record = begun
    if record is None:
        return Skip(job, "exists, and no journal says from what; --overwrite replaces it")
    if not _made_from(record, job.source):
        if record.source == str(job.source):
            return Skip(job, "the photo changed since; --overwrite restores it again")
        return Refusal(job, f"{job.target} was made from {record.source}; choose another --out")
    if record.recipe != recipe:
        return Skip(job, f"done with {_difference(record.recipe, recipe)}; --overwrite redoes it")
    return Skip(job, ALREADY_DONE)


def is_reservation(target: Path) -> bool:
    """Tell whether `target`, which was begun, has its name only and no content yet.

    Where a file system has no hard links, names are reserved with empty files.
    """
    try:
        state = target.lstat()
    except OSError:
        return False
    return stat.S_ISREG(state.st_mode) and state.st_size == 0


def _made_from(record: Record, source: Path) -> bool:
    """Tell whether `source` has the recorded content; its hash is taken only if in doubt."""
    if record.fingerprint is None:
        return False
    try:
        state = source.stat()
        if record.source == str(source) and (
            record.fingerprint.size,
            record.fingerprint.mtime_ns,
        ) == (
            state.st_size,
            state.st_mtime_ns,
        ):
            return True
        return record.fingerprint.sha256 == Fingerprint.of(source).sha256
    except OSError:
        return False


def _difference(before: Recipe, now: Recipe) -> str:
    if before.task != now.task:
        return f"the task {before.task}"
    if (before.model, before.weights_sha256) != (now.model, now.weights_sha256):
        return f"the model {before.model}" + (" (other weights)" * (before.model == now.model))
    return "other options" if before.options != now.options else f"version {before.version}"


def _identity(path: Path) -> tuple[int, int] | None:
    """Device and inode: equal for links and for names that differ in case on some systems."""
    try:
        state = path.stat()
    except OSError:
        return None
    return (state.st_dev, state.st_ino)


def is_same_file(one: Path, other: Path) -> bool:
    """Tell whether two paths lead to one file, which need not exist."""
    identity = _identity(one)
    # Path.resolve would fail on links in a circle.
    same_path = os.path.realpath(one) == os.path.realpath(other)
    return same_path or (identity is not None and identity == _identity(other))
