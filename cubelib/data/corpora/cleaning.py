"""What keeps a text out of the corpora, in which language, and the order of what remains.

| language | ways to reach a person | coarse words | what else |
|---|---|---|---|
| English | left out | left out | ASCII only: no emoji, no markup |
| Russian, Ukrainian | left out | left out (Russian roots) | no markup, no control characters |
| every other | left out | not looked for | no markup, no control characters |
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator

# The conversations were held by real people: messages with ways to reach a person, or coarse words, stay out.
_CONTACT = re.compile(  # of a text in small letters, as all that follow
    r"@|https?:|www\.|\.com\b|\d{3}\D?\d{4}|\b(snap ?chat|instagram|facebook|venmo|whatsapp|skype|gmail|email"
    r"|phone number|my number|your number|add me|dm me|text me|call me at|my address|last name|surname)\b",
)
_COARSE_ENGLISH = re.compile(
    r"fuck|shit|\b(bitch\w*|bastard\w*|ass|asses|asshole\w*|dumbass\w*|badass\w*|damn\w*|dammit|crap\w*"
    r"|dick\w*|cock|cocks|pussy|pussies|cunt\w*|whore\w*|slut\w*|nigg\w*|fag|fags|faggot\w*|retard\w*|rape\w*|rapist\w*"
    r"|sex|sexy|sexual\w*|porn\w*|penis\w*|vagina\w*|boob\w*|tits|horny|naked|nude\w*"
    r"|suicid\w*|kill (my|your|him|her)self|nazi\w*|hitler|piss\w*|wtf|hell|stfu|af)\b",
)
_COARSE_RUSSIAN = re.compile(
    r"пизд|жоп|дроч|\b((на|по|до|от|за|о|при)?ху[йяеёию]\w*|(за|вы|у|на|по|до|отъ|съ|разъ|въ|долбо)?[её]б[аилноу]\w*"
    r"|бля([дт]\w*)?|муд(ак|ил|оз)\w*|залуп\w*|г[ао]ндон\w*|манда|г[ао]вн\w*|дерьм\w*|(на|об|за|по)?сра(ть|л|н)\w*"
    r"|(обо|по|за)?ссать|шлюх\w*|пид[ао]р\w*|педик|трах(а|ну)\w*)\b",
)
_COARSE = {"en": _COARSE_ENGLISH, "ru": _COARSE_RUSSIAN, "uk": _COARSE_RUSSIAN}
_PLAIN = re.compile(r"[A-Za-z0-9 .,;:!?'\"()&%$/+=*#-]+")  # ASCII text, no emoji or markup: the teacher is English
_MARKUP = re.compile(r"[<>{}\\_\x00-\x1f\x7f-\x9f]")


def tidy(text: str) -> str:
    """One space between words, none around them.

    Example:
        >>> tidy("  two\\n words ")
        'two words'
    """
    return " ".join(text.split())


def words_between(text: str, low: int, high: int) -> bool:
    """Whether a text has that many words, divided by white space."""
    return low <= len(text.split()) <= high


def is_clean(text: str, language: str = "en") -> bool:
    """Whether a text may be shown to learners.

    Example:
        >>> is_clean("See you on Monday."), is_clean("Mail me: a@b.org"), is_clean("до понедельника", "ru")
        (True, False, True)
    """
    plain = _PLAIN.fullmatch(text) if language == "en" else not _MARKUP.search(text)
    small = text.lower()  # three times faster than patterns that look at both cases
    coarse = _COARSE.get(language)
    return bool(plain) and not _CONTACT.search(small) and not (coarse and coarse.search(small))


def by_hash(text: str) -> bytes:
    """The key that puts texts in an order which means nothing and is the same everywhere."""
    return hashlib.sha256(text.encode("utf-8")).digest()


def unique_clean_pairs(pairs: Iterable[tuple[str, str]], language: str = "en") -> Iterator[tuple[str, str]]:
    """Pairs of two different clean texts, each pair once whatever its capitals, ordered by their hash."""
    unique = {(q.casefold(), a.casefold()): (q, a) for q, a in reversed(list(pairs)) if q.casefold() != a.casefold()}
    for question, answer in sorted(unique.values(), key=lambda pair: by_hash("\n".join(pair))):
        if is_clean(question, language) and is_clean(answer, language):
            yield question, answer
