"""An analysis whose every text is given: what a hostile capture could put into a page."""

from handmade import START, analysis

from tracecheck.capture import Verdict

#: Texts that would do harm as markup, as a program, in a terminal, or by their direction.
NASTY = (
    "<script>window.broken = 1</script>",
    "</script><img src=x onerror='window.broken = 1'>",
    '"><svg onload=window.broken=1>',
    "<!--<script>",
    "&lt;b&gt;&amp;&#0;",
    "javascript:window.broken=1",
    "\x1b[31mred\x1b[0m\x07\x00\x9b2J",
    "\u202egnirts\u202c \u2066isolated \u200f\u200e\ufeff",
    "line\nbreak\r\u2028\u2029\tend",
    "=1+1|'!A1",
    "__proto__",
    "constructor",
    "\ufffe\uffff\U000e0001",
    "x" * 3000,
)


def hostile(texts, pointer=2**64 - 1):
    """Put texts wherever a capture can put one.

    Args:
        texts: At least one.
        pointer: The context's.
    """

    def text(number):
        return texts[number % len(texts)]

    operations = [
        {
            "routine": text(i),
            "site": text(i + 1),
            "function": text(i + 2),
            "context": pointer,
            "status": 0xC0000001,
            "pid": i,
            "tid": i,
        }
        for i in range(len(texts) + 1)
    ]
    context = {
        "pointer": pointer,
        "generation": 1,
        "context_type": 8,
        "birth": "allocated",
        "first": START,
        "last": START,
        "site": text(3),
        "end": "held",
        "owned": 1,
        "operations": len(operations),
    }
    steps = [{"operation": i, "owned": 1, "fault": text(i)} for i in range(len(operations))]
    finding = {
        "severity": "error",
        "confidence": "definite",
        "reasons": list(texts),
        "context_id": 0,
        "context": pointer,
        "generation": 1,
        "context_type": 8,
        "time": START,
        "operations": [0, 1],
    }
    findings = [{**finding, "rule": "L01", "message": each, "signature": each} for each in texts]
    findings.append({**findings[0], "rule": "M04", "context_id": None, "context": None, "generation": None})
    return analysis(
        operations,
        [context],
        steps,
        losses=[{"sign": text(0), "detail": text(1), "unit": "events", "start": START}],
        findings=findings,
        verdict=Verdict("findings", tuple(texts), tuple(texts), tuple(texts)),
        paths=tuple(texts),
        warnings=tuple(texts),
        marks=[{"time": START, "routine": text(0), "name": text(1)}],
    )
