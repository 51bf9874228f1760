"""Options of the command line, and what they mean."""

from collections.abc import Callable

import click
import pytest

from dinplug.batch.options import TASKS, parse_device, parse_factor, parse_size
from dinplug.batch.wishes import Wishes
from dinplug.errors import SetupError, UsageError
from dinplug.specs import Task

PARAM = click.Option(["--option"])
CONTEXT = click.Context(click.Command("test"))


def test_the_tasks_are_those_of_the_table() -> None:
    assert list(TASKS) == [task.value for task in Task]


@pytest.mark.parametrize(
    ("text", "size"),
    [("4G", 4 << 30), ("800M", 800 << 20), ("1.5g", 3 << 29), ("2 KiB", 2048), ("77", 77)],
)
def test_sizes(text: str, size: int) -> None:
    assert parse_size(CONTEXT, PARAM, text) == size


@pytest.mark.parametrize(("text", "factor"), [("2", 2.0), ("x3", 3.0), ("X2.5", 2.5), ("64", 64)])
def test_factors(text: str, factor: float) -> None:
    assert parse_factor(CONTEXT, PARAM, text) == factor


@pytest.mark.parametrize("text", ["auto", "cpu", "cuda", "cuda:11"])
def test_devices(text: str) -> None:
    assert parse_device(CONTEXT, PARAM, text) == text


@pytest.mark.parametrize(
    ("parse", "texts"),
    [
        (parse_size, ["", "G", "-1G", "4 apples", "0", "1e9", "0.1"]),
        (parse_factor, ["", "1", "0", "-2", "x", "nan", "inf", "65", "2x"]),
        (parse_device, ["gpu", "cuda:", "cuda:x", "CPU", "cpu:0", ""]),
    ],
)
def test_nonsense_is_refused(parse: Callable[..., object], texts: list[str]) -> None:
    for text in texts:
        with pytest.raises(click.BadParameter):
            parse(CONTEXT, PARAM, text)


def test_absent_values_stay_absent() -> None:
    assert parse_size(CONTEXT, PARAM, None) is None
    assert parse_factor(CONTEXT, PARAM, None) is None


@pytest.mark.usefixtures("tiny_models")
class TestWishes:
    def test_a_model_is_enough(self) -> None:
        assert Wishes(model="tiny-x2").load().task is Task.SR

    def test_one_of_task_and_model_is_needed(self) -> None:
        with pytest.raises(UsageError, match="--task, or name a --model"):
            Wishes().load()

    def test_a_scale_is_for_super_resolution(self) -> None:
        with pytest.raises(UsageError, match="dehaze keeps a photo's size"):
            Wishes(task="dehaze", scale=2).load()

    def test_a_model_for_another_task_or_scale_is_refused(self) -> None:
        with pytest.raises(UsageError, match="tiny-x2"):
            Wishes(task="dehaze", model="tiny-x2").load()
        with pytest.raises(UsageError, match="tiny-x2"):
            Wishes(model="tiny-x2", scale=3).load()

    def test_a_model_without_weights_says_what_to_do(self) -> None:
        with pytest.raises(SetupError, match="models import") as caught:
            Wishes(model="din-deblur").load()
        assert "\n" not in str(caught.value)

    def test_any_factor_is_served_by_a_model_for_it(self) -> None:
        wishes = Wishes(task="sr", scale=2.5)
        model = wishes.load()
        assert model.any_factor and wishes.restorer(model).scale == 2.5
        assert wishes.recipe(model).options["scale"] == 2.5

    def test_tiles_memory_and_device_do_not_change_the_recipe(self) -> None:
        wishes = Wishes(model="tiny-derain")
        model = wishes.load()
        same = Wishes(model="tiny-derain", tile=32, max_memory=1 << 30, device="cpu")
        assert same.recipe(model) == wishes.recipe(model)
        for other in (
            Wishes(model="tiny-derain", strength=0.5),
            Wishes(model="tiny-derain", ensemble=True),
            Wishes(model="tiny-derain", bit_depth=16),
        ):
            assert other.recipe(model) != wishes.recipe(model)
