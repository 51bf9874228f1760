"""Everything that is in a task's dialog, and its states."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..wording import description_words, progress_words
from .form import Form
from .message import MessagePanel
from .qt import QtCore, QtWidgets

if TYPE_CHECKING:
    from ..manifest import Manifest, Parameters
    from ..protocol import Message

_COLUMN_WIDTH = 320


class Panel(QtWidgets.QWidget):
    """The preview, the parameters beside it, and below them messages, progress and buttons."""

    def __init__(self, task: Manifest, values: Parameters, has_preview: bool, preview: Any) -> None:
        super().__init__()
        self.title = task["title"]
        self.form = Form(task, values)
        self.preview_box = QtWidgets.QCheckBox("Preview")
        self.preview_box.setObjectName("has_preview")
        self.preview_box.setChecked(has_preview)
        self.about = QtWidgets.QLabel("")
        self.about.setTextFormat(QtCore.Qt.TextFormat.PlainText)
        self.about.setWordWrap(True)
        self.message = MessagePanel()
        self.bar = QtWidgets.QProgressBar()
        self.bar.setTextVisible(False)
        self.status = QtWidgets.QLabel("")
        self.cancel, self.close_button, self.restore = (
            QtWidgets.QPushButton(word) for word in ("Cancel", "Close", "Restore")
        )
        for button in (self.cancel, self.close_button, self.restore):
            button.setObjectName(button.text().lower())
            button.setAutoDefault(False)
        self.restore.setDefault(True)
        self._lay_out(preview)

    def _lay_out(self, preview: Any) -> None:
        column = QtWidgets.QWidget()
        column.setFixedWidth(_COLUMN_WIDTH)
        side = QtWidgets.QVBoxLayout(column)
        side.setContentsMargins(0, 0, 0, 0)
        side.addWidget(self.form)
        side.addWidget(self.preview_box)
        side.addStretch(1)
        side.addWidget(self.about)
        top = QtWidgets.QHBoxLayout()
        top.addWidget(preview, 1)
        top.addWidget(column)
        run = QtWidgets.QHBoxLayout()
        run.addWidget(self.bar, 1)
        run.addWidget(self.cancel)
        buttons = QtWidgets.QHBoxLayout()
        buttons.addWidget(self.status, 1)
        buttons.addWidget(self.close_button)
        buttons.addWidget(self.restore)
        rows = QtWidgets.QVBoxLayout(self)
        rows.setContentsMargins(0, 0, 0, 0)
        rows.addLayout(top, 1)
        rows.addWidget(self.message)
        rows.addLayout(run)
        rows.addLayout(buttons)

    def show_state(self, doing: str, *, can_change: bool) -> None:
        """Enable what can be used while the dialog is `doing` something, or nothing."""
        for part in (self.form, self.preview_box, self.restore):
            part.setEnabled(can_change)
        self.cancel.setEnabled(doing != "")
        self.bar.setRange(0, 0 if doing == "preparing" else 1000)
        self.bar.setValue(0)

    def show_progress(self, progress: Message) -> None:
        """Show how far the worker is."""
        self.bar.setRange(0, 1000)
        self.bar.setValue(round(progress["share"] * 1000))
        self.status.setText(progress_words(self.title, progress))

    def show_about(self, about: Message) -> None:
        """Show which model it will be, and how long it takes if that is known."""
        self.about.setText(
            f"{about['title']}\n{description_words(about)}\nLicence: {about['licence']}"
        )
