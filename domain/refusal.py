"""A request that should not have been made, with a stable code and a sentence for people."""


class Refused(Exception):  # noqa: N818 - the domain's word for it
    """Raised by `decide`; its code is stored in the receipt and never reworded."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.text = text
