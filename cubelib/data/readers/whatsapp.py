"""Text files that WhatsApp exports: `[01/05/24, 10:00:00] Ann: Hi` (iPhone), `01/05/24, 10:00 - Ann: Hi` (Android)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import datetime

from cubelib.data.readers.chat_layouts import NOTICE, Message

_DATE = r"\u200f?(\d{1,4})\u200f?(?:[./-]|\.\s)(\d{1,2})\u200f?(?:[./-]|\.\s)(\d{1,4})\.?"  # \u200f: from right to left
_TIME = r"(\d{1,2})[:.](\d{2})(?:[:.]\d{2})?"
_MARK = "\u200e"  # invisible; WhatsApp on the iPhone puts it before what it writes itself
_STAMPS = [  # numbers of the date, half of the day in some languages, hour, minute, half of the day in others, the rest
    re.compile(rf"[{_MARK}\ufeff]*\[{_DATE}[,،]?\s+([^\d\[\]]{{0,12}}?){_TIME}([^\d\[\]]{{0,12}})\]\s(.*)"),
    re.compile(rf"[{_MARK}\ufeff]*{_DATE}[,،]?\s+([^\d-]{{0,12}}?){_TIME}([^\d-]{{0,12}}?)\s[-–]\s(.*)"),
]
_AFTERNOON = re.compile(r"p|μ|م|下午|오후|午後", re.IGNORECASE)
_MORNING = re.compile(r"a|π|ص|上午|오전|午前", re.IGNORECASE)
_FILE = re.compile(r"<[^<>]+>|\S+\.\w{2,5}( \([^()]+\)| •)")  # <Media omitted>, IMG-1.jpg (file attached), a.pdf •
_ADDED = re.compile(rf"(?:\s*{_MARK}[^{_MARK}\n]*)+$|\s+<[^<>\n]+ [^<>\n]+>$")  # image omitted, <… was edited>
_DELETED = (
    "null", "this message was deleted", "you deleted this message", "diese nachricht wurde gelöscht",
    "du hast diese nachricht gelöscht", "se eliminó este mensaje", "eliminaste este mensaje",
    "ce message a été supprimé", "vous avez supprimé ce message", "mensagem apagada", "você apagou esta mensagem",
    "данное сообщение удалено", "вы удалили данное сообщение", "تم حذف هذه الرسالة",
    "questo messaggio è stato eliminato", "hai eliminato questo messaggio", "dit bericht is verwijderd",
)  # fmt: skip

Stamp = tuple[str, ...]


def looks_like_whatsapp(lines: Sequence[str]) -> bool:
    """Whether lines begin as WhatsApp's messages do: the first, and another, with date and time, and one with a name.

    Example:
        >>> looks_like_whatsapp(["[01/05/24, 10:00:00] Ann: Hi", "[01/05/24, 10:01:00] Ben: Ho"])
        True
        >>> looks_like_whatsapp(["The train leaves at 10:00.", "It is late."])
        False
    """
    stamps = [_stamp(line) for line in lines]
    stamped = [stamp for stamp in stamps if stamp]
    return len(stamped) > 1 and stamps[0] is not None and any(": " in stamp[-1] for stamp in stamped)


def read_whatsapp(lines: Iterable[str]) -> list[Message]:
    """The messages of a WhatsApp export; a line without a date goes on with the message above it.

    Example:
        >>> chat = ["5/1/24, 9:00 PM - Ann: Hi,", "all of you!", "5/1/24, 9:01 PM - Ben: <Media omitted>"]
        >>> [(message.role, message.text, message.unsaid is None) for message in read_whatsapp(chat)]
        [('Ann', 'Hi,\\nall of you!', True), ('Ben', '', False)]
    """
    entries: list[tuple[Stamp, list[str]]] = []
    for line in lines:
        stamp = _stamp(line)
        if stamp:
            entries.append((stamp, [stamp[-1]]))
        elif entries:
            entries[-1][1].append(line.rstrip())
    hours = _clock([stamp for stamp, _ in entries])
    return [_message("\n".join(parts), time) for (_, parts), time in zip(entries, hours, strict=True)]


def _stamp(line: str) -> Stamp | None:
    matches = (pattern.match(line.strip()) for pattern in _STAMPS)
    return next((match.groups() for match in matches if match), None)


def _message(content: str, hours: float | None) -> Message:
    name, colon, text = content.partition(": ")
    if not colon or "\n" in name:
        return Message(None, content, NOTICE, hours)  # "Ann added Ben"
    first, _, rest = text.partition("\n")
    if _FILE.fullmatch(first.strip(_MARK + " ")):
        text = rest
    elif text.startswith(_MARK):
        text = ""
    text = _ADDED.sub("", text)
    nothing = not text.strip() or _FILE.fullmatch(text) or text.strip(" .").lower() in _DELETED
    return Message(name, "" if nothing else text, NOTICE if nothing else None, hours)


def _clock(stamps: Sequence[Stamp]) -> list[float] | list[None]:
    """When each message was written, in hours, in the order of day, month and year in which no time goes back."""
    clocks = []
    for order in ((2, 1, 0), (2, 0, 1), (0, 1, 2)):  # where year, month and day are
        try:
            clocks.append([_hours(stamp, order) for stamp in stamps])
        except ValueError:
            continue
    running = [clock for clock in clocks if clock == sorted(clock)]
    return next(iter(running + clocks), [None] * len(stamps))


def _hours(stamp: Stamp, order: tuple[int, int, int]) -> float:
    year, month, day = (int(stamp[place]) for place in order)
    half = stamp[3] + stamp[6]
    hour = int(stamp[4])
    if _AFTERNOON.search(half) and hour < 12:
        hour += 12
    elif _MORNING.search(half) and hour == 12:
        hour = 0
    moment = datetime(year + 2000 * (year < 100), month, day, hour, int(stamp[5]))
    return moment.timestamp() / 3600
