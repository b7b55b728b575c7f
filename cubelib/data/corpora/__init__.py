"""Real text to start with: sentences, dialogues, conversations and definitions, read from installed packages.

The texts themselves are not part of cubelib. They are read at run time from packages of the Python index, so nothing is
downloaded:

- **chitchat-dataset**: conversations between students of one university, in English.
- **chatterbot-corpus**: short question → answer pairs in 29 languages.
- **wiki-ru-wordnet** (optional): Russian words and their meanings, from the Russian Wiktionary.

All selections are filtered and ordered by the SHA-256 of the text, so they are the same list on every machine. The
repository ships the teacher's vectors for the default sizes of `sentences` and English `dialogues` (see
`cubelib.encoders.cache`); everything else needs a teacher. `print(catalog_table())` shows sizes, versions and licenses.

Taught in notebook 01.
"""

from cubelib.data.corpora.chatterbot import DEFAULT_PAIRS, LANGUAGES, dialogues
from cubelib.data.corpora.chitchat import DEFAULT_CONVERSATIONS, DEFAULT_SENTENCES, conversations, sentences
from cubelib.data.corpora.listing import Corpus, catalog, catalog_table
from cubelib.data.corpora.wiktionary import DEFAULT_DEFINITIONS, definitions

__all__ = [
    "DEFAULT_CONVERSATIONS",
    "DEFAULT_DEFINITIONS",
    "DEFAULT_PAIRS",
    "DEFAULT_SENTENCES",
    "LANGUAGES",
    "Corpus",
    "catalog",
    "catalog_table",
    "conversations",
    "definitions",
    "dialogues",
    "sentences",
]
