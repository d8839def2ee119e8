"""The folder into which fault reports are dropped as files: what waits there, and where it goes when it is answered.

A file is written under a name that begins with a dot or ends in `.part` and renamed when it is whole. Taken files lie
in `taken/` beside their answer; a name may come again, its bytes tell it apart.
"""

from pathlib import Path

from cards.errors import Unavailable

SUFFIXES = (".csv", ".json", ".txt")
TAKEN = "taken"


class FaultDrop:
    """A folder of dropped reports. One that is not there holds none."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def waiting(self) -> list[str]:
        """The names of whole files, in order. Raises Unavailable `fault.drop_unusable`."""
        try:
            if not self._folder.is_dir():
                return []
            names = [path.name for path in self._folder.iterdir() if path.is_file()]
        except OSError as fault:
            raise self._unusable(fault) from None
        return sorted(name for name in names if not name.startswith(".") and name.casefold().endswith(SUFFIXES))

    def read(self, name: str) -> bytes | None:
        """The bytes of a file; None when somebody else has put it away. Raises Unavailable `fault.drop_unusable`."""
        try:
            return (self._folder / name).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as fault:
            raise self._unusable(fault) from None

    def put_away(self, name: str, mark: str, answer: bytes) -> None:
        """Move a file to `taken/`, its answer first. Twice is as once. Raises Unavailable `fault.drop_unusable`."""
        path = self._folder / name
        taken = self._folder / TAKEN
        try:
            taken.mkdir(exist_ok=True)
            part = taken / f".{path.stem}-{mark}.answer.part"
            part.write_bytes(answer)
            part.replace(taken / f"{path.stem}-{mark}.answer.json")
            path.replace(taken / f"{path.stem}-{mark}{path.suffix}")
        except FileNotFoundError:
            return
        except OSError as fault:
            raise self._unusable(fault) from None

    def _unusable(self, fault: OSError) -> Unavailable:
        return Unavailable(
            "fault.drop_unusable",
            f"the folder of dropped fault reports {self._folder} cannot be used: {fault.strerror}",
            field="HSECARD_FAULT_FOLDER",
            fix="let this user read, write and rename there; the reports wait until then",
        )
