"""Search: tools found by plain words, as people who said something alike have meant them.

The nearest of some thousand utterances vote. Two texts are near when they share words, pairs of
words and parts of three or four letters, the seldom ones most: the cosine of their tf-idf vectors,
see https://nlp.stanford.edu/IR-book/html/htmledition/the-vector-space-model-for-scoring-1.html.
"""

import math
import re
from array import array
from collections import defaultdict
from collections.abc import Collection, Iterable
from functools import partial
from heapq import nlargest
from itertools import islice, pairwise
from operator import itemgetter

from createos_mcp.contract.operations import Tool, Utterances

_WORD = re.compile(r"[a-z0-9]+")
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z]{2})")

_VARIABLE_NAME = re.compile(r"\b[A-Z][A-Z0-9]*_[A-Z0-9_]+\b")
"""`DATABASE_URL` says no more than that it is a variable."""

_MAX_CHARACTERS, _MAX_WORDS = 1000, 40
"""How much of a request is read."""

_LETTERS = (3, 4)

_VOTERS = 60
"""How many utterances vote at most."""

_SHARPNESS = 3
"""The power of a similarity that is the weight of its vote."""

_WEIGHT_OF_NONE = 0.6
"""Of a vote for no tool: what no tool does is of many kinds, and said near to what one does."""

_LEAST_SIMILARITY = 0.12
"""Below it nothing that is known has to do with a request."""


class ToolIndex:
    """An index of tools by what people say who want them.

    Args:
        tools: What can be found; by its texts, too.
        utterances: What is said for them; what is said for other tools is as for none.
    """

    def __init__(self, tools: Collection[Tool], utterances: Iterable[Utterances]) -> None:
        self._names = {n.lower(): tool.name for tool in tools for n in (tool.name, *tool.aliases)}
        known = {tool.name for tool in tools}
        self._meant: list[tuple[str | None, ...]] = []
        self._places: dict[str, array[int]] = defaultdict(partial(array, "I"))
        for row in (*utterances, *map(_own_texts, tools)):
            right = tuple(name for name in row.tools if name in known)
            for text in row.said:
                for feature in _features(text):
                    self._places[feature].append(len(self._meant))
                self._meant.append(right or (None,))
        count = len(self._meant)
        self._unknown_weight = math.log(1 + count)
        self._weights = {
            feature: math.log(1 + count / len(places)) for feature, places in self._places.items()
        }
        squares = [0.0] * count
        for feature, places in self._places.items():
            for place in places:
                squares[place] += self._weights[feature] ** 2
        self._lengths = array("d", map(math.sqrt, squares))

    def search(self, request: str, *, among: Collection[str], limit: int) -> list[str | None]:
        """Names of the tools that fit best, the best one first.

        None stands among them for "no tool does that", as likely as its place says.

        Args:
            request: Plain words, `roll production back`.
            among: Names that may be found.
            limit: How many at most.
        """
        votes: dict[str | None, float] = defaultdict(float)
        for place, similarity in self._nearest(request):
            meant = self._meant[place]
            for name in meant:
                weight = 1.0 if name else _WEIGHT_OF_NONE
                votes[name] += weight * similarity**_SHARPNESS / len(meant)
        named = self._names.get("".join(request[:_MAX_CHARACTERS].split()).lower())
        if named is not None:
            votes[named] = math.inf
        ranked = sorted(votes, key=lambda name: (-votes[name], name or ""))
        return list(islice((name for name in ranked if name is None or name in among), limit))

    def _nearest(self, request: str) -> list[tuple[int, float]]:
        """Places and similarities of the utterances that vote; none where none is near."""
        features = _features(request)
        weights = (self._weights.get(feature, self._unknown_weight) for feature in features)
        length = math.hypot(*weights)
        products: dict[int, float] = defaultdict(float)
        for feature in features & self._weights.keys():
            square = self._weights[feature] ** 2
            for place in self._places[feature]:
                products[place] += square
        similarities = ((p, product / length / self._lengths[p]) for p, product in products.items())
        nearest = nlargest(_VOTERS, similarities, key=itemgetter(1))
        return nearest if nearest and nearest[0][1] >= _LEAST_SIMILARITY else []


def _own_texts(tool: Tool) -> Utterances:
    described = f"{tool.title} {tool.description} {tool.keywords}"
    return Utterances(tools=(tool.name,), said=(tool.name, *tool.aliases, tool.title, described))


def _features(text: str) -> set[str]:
    """Words, pairs of words, and parts of words, each told apart by how it is written."""
    named = _VARIABLE_NAME.sub(" variablename ", text[:_MAX_CHARACTERS])
    words = _WORD.findall(_HUMP.sub(" ", named).lower())[:_MAX_WORDS]
    parts = {
        padded[at : at + count]
        for padded in (f"_{word}_" for word in words)
        for count in _LETTERS
        for at in range(len(padded) - count + 1)
    }
    return {*words, *map(" ".join, pairwise(("^", *words, "$"))), *parts} if words else set()
