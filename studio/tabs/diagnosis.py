"""What is going on in a training, in the person's language: the findings of its last ``Diagnosis``.

Knows events and the words of ``finding_names``. A finding that a plug-in brings along is said as it came.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipelines.training.finding_names import FINDINGS, FIXES, filled
from studio.locales import Language


def said(finding: Mapping[str, Any], language: Language) -> dict[str, Any]:
    """A finding and its fixes, each in words; ``changes`` are what a fix steers the training to."""
    info = FINDINGS.get(str(finding["key"])) if language == "zh" else None
    return {
        "key": finding["key"],
        "severity": finding["severity"],
        "title": info.title_zh if info else finding["title"],
        "text": filled(info.text_zh, finding["values"]) if info else finding["text"],
        "fixes": [_fix(fix, language) for fix in finding["fixes"]],
    }


def _fix(fix: Mapping[str, Any], language: Language) -> dict[str, Any]:
    info = FIXES.get(str(fix["key"])) if language == "zh" else None
    return {"text": filled(info.text_zh, fix["values"]) if info else fix["text"], "changes": fix["changes"]}
