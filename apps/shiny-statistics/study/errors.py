"""What an analysis, or an upload, cannot be done with; the text is for the person in front of the page."""


class StudyError(Exception):
    """What happened, and in *hint* what to do about it."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message, hint)
        self.message, self.hint = message, hint

    def __str__(self) -> str:
        return self.message


class UploadError(StudyError):
    """A file that is no table, or too large a one."""


class ChoiceError(StudyError):
    """Columns or options with which the analysis cannot be done."""
