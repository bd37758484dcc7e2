"""Prometheus' text exposition format, read strictly."""

import re

_NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
_SAMPLE = re.compile(rf'({_NAME})(?:\{{((?:[a-zA-Z_]\w*="(?:[^"\\\n]|\\["\\n])*",?)*)\}})? (\S+)')
_LABEL = re.compile(r'([a-zA-Z_]\w*)="((?:[^"\\\n]|\\["\\n])*)"')


class Metrics:
    """A page of Prometheus' text exposition format, checked while it is read."""

    def __init__(self, text):
        self.types, self.samples = {}, {}
        if not text.endswith("\n"):
            raise AssertionError("metrics: the last line has no end")
        for line in text.splitlines():
            self._read(line)
        for name in [name for name, kind in self.types.items() if kind == "histogram"]:
            self._check_histogram(name)

    def _read(self, line):
        kind = re.fullmatch(rf"# TYPE ({_NAME}) (counter|gauge|histogram|summary|untyped)", line)
        if kind:
            if kind[1] in self.types:
                raise AssertionError(f"metrics: {kind[1]} is described twice")
            self.types[kind[1]] = kind[2]
            return
        if re.fullmatch(rf"# HELP {_NAME} .+", line):
            return
        sample = _SAMPLE.fullmatch(line)
        if not sample:
            raise AssertionError(f"metrics: no sample: {line!r}")
        name = sample[1]
        family = name if name in self.types else re.sub(r"_(bucket|sum|count)$", "", name)
        if family not in self.types:
            raise AssertionError(f"metrics: {name} has no TYPE before it")
        if self.types[family] == "counter" and not name.endswith("_total"):
            raise AssertionError(f"metrics: counter {name} does not end with _total")
        place = (name, frozenset(_LABEL.findall(sample[2] or "")))
        if place in self.samples:
            raise AssertionError(f"metrics: {line!r} comes twice")
        self.samples[place] = float(sample[3])

    def _check_histogram(self, family):
        series = {}
        for (name, labels), value in self.samples.items():
            if name == family + "_bucket":
                rest = frozenset(pair for pair in labels if pair[0] != "le")
                series.setdefault(rest, []).append((float(dict(labels)["le"].replace("+Inf", "inf")), value))
        for labels, buckets in series.items():
            buckets.sort()
            counts = [count for _, count in buckets]
            if counts != sorted(counts) or buckets[-1][0] != float("inf"):
                raise AssertionError(f"metrics: {family}: buckets {buckets}")
            if counts[-1] != self.samples[family + "_count", labels]:
                raise AssertionError(f"metrics: {family}: count is not that of the last bucket")

    def value(self, name, **labels):
        """The sum of all samples with this name and these labels; there must be one."""
        wanted = set(labels.items())
        found = [value for (sample, have), value in self.samples.items() if sample == "larder_" + name and wanted <= have]
        if not found:
            raise AssertionError(f"metrics: no larder_{name} with {labels}")
        return sum(found)

    def buckets(self, operation, group):
        """[(upper bound in seconds, count in this bucket alone)] of a histogram."""
        name, labels = f"larder_{operation}_duration_seconds_bucket", ("group", group)
        cumulated = sorted((float(dict(have)["le"].replace("+Inf", "inf")), value)
                           for (sample, have), value in self.samples.items() if sample == name and labels in have)
        return [(bound, count - (cumulated[i - 1][1] if i else 0)) for i, (bound, count) in enumerate(cumulated)]
