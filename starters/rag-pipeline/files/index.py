"""Passages and their ranking by BM25."""

import math
import re
from collections import Counter

WORDS = re.compile(r"\w+")
K, B = 1.5, 0.75


class Index:
    def __init__(self):
        self.passages = []

    def add(self, title, text):
        for part in filter(None, (part.strip() for part in text.split("\n\n"))):
            words = WORDS.findall(part.lower())
            self.passages.append({"title": title, "text": part, "words": Counter(words)})

    def search(self, question, limit=3):
        count = len(self.passages)
        if not count:
            return []
        average = sum(p["words"].total() for p in self.passages) / count
        wanted = set(WORDS.findall(question.lower()))
        holding = {w: sum(w in p["words"] for p in self.passages) for w in wanted}

        def score(passage):
            size = passage["words"].total() / average
            total = 0.0
            for word in wanted & passage["words"].keys():
                rare = math.log(1 + (count - holding[word] + 0.5) / (holding[word] + 0.5))
                times = passage["words"][word]
                total += rare * times * (K + 1) / (times + K * (1 - B + B * size))
            return total

        ranked = sorted(self.passages, key=score, reverse=True)[:limit]
        return [p for p in ranked if score(p) > 0]
