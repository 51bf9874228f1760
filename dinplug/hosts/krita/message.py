"""What went wrong, as one sentence; the rest is behind a button. Both can be copied."""

from __future__ import annotations

from .qt import QtCore, QtGui, QtWidgets


class MessagePanel(QtWidgets.QFrame):
    """A sentence, a button for its details, and one that copies both; hidden if there is none."""

    def __init__(self) -> None:
        super().__init__()
        self.setFrameShape(QtWidgets.QFrame.Shape.StyledPanel)
        self.sentence = QtWidgets.QLabel()
        self.sentence.setObjectName("sentence")
        self.sentence.setWordWrap(True)
        flags = QtCore.Qt.TextInteractionFlag
        self.sentence.setTextInteractionFlags(
            flags.TextSelectableByMouse | flags.TextSelectableByKeyboard
        )
        self.sentence.setTextFormat(QtCore.Qt.TextFormat.PlainText)
        self.details_button = QtWidgets.QPushButton("Details")
        self.details_button.setObjectName("details")
        self.details_button.setCheckable(True)
        copy = QtWidgets.QPushButton("Copy")
        copy.setObjectName("copy")
        self.details = QtWidgets.QPlainTextEdit()
        self.details.setReadOnly(True)
        self.details.setMaximumHeight(140)
        top = QtWidgets.QHBoxLayout()
        top.addWidget(self.sentence, 1)
        top.addWidget(self.details_button)
        top.addWidget(copy)
        rows = QtWidgets.QVBoxLayout(self)
        rows.addLayout(top)
        rows.addWidget(self.details)
        self.details_button.toggled.connect(self.details.setVisible)
        copy.clicked.connect(self._copy)
        self.hide()

    def say(self, sentence: str, detail: str = "") -> None:
        """Show a sentence, with `detail` behind the button if there is any."""
        self.sentence.setText(as_sentence(sentence))
        self.details.setPlainText(detail)
        self.details_button.setChecked(False)
        self.details_button.setVisible(bool(detail))
        self.details.hide()
        self.show()

    def _copy(self) -> None:
        said = f"{self.sentence.text()}\n\n{self.details.toPlainText()}".strip()
        QtGui.QGuiApplication.clipboard().setText(said)


def as_sentence(text: str) -> str:
    """A message as a sentence: a capital first, a full stop last."""
    text = text.strip()
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "!", "?")) else ".")
