"""What can be found out about a training, and what can be done about it, in words. Plain data, no torch, for the page.

The conditions are in ``diagnosis``; a test keeps the two in step and the two languages alike.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

#: what the key of a mark begins with that says what was found
FOUND = "finding."

Severity = Literal["quiet", "good", "note", "warning"]


@dataclass(frozen=True)
class FindingInfo:
    """``title`` is said beside the curves too; ``text`` has fields that a finding's values fill."""

    key: str
    severity: Severity
    title: str
    title_zh: str
    text: str
    text_zh: str


FINDINGS = {
    info.key: info
    for info in (
        FindingInfo(
            "early",
            "quiet",
            "Too early to say",
            "现在判断还太早",
            "A word on how it goes comes after about {steps} steps.",
            "大约 {steps} 步之后会说说训练得怎么样。",
        ),
        FindingInfo(
            "d_wins",
            "warning",
            "D is winning",
            "判别器占了上风",
            "It tells {apart} % of real and generated pictures apart, so the generator hears little it can use.",
            "它能分清 {apart}% 的真图与生成图，生成器几乎听不到有用的意见。",
        ),
        FindingInfo(
            "d_lost",
            "warning",
            "D has lost track",
            "判别器跟不上了",
            "It tells only {apart} % apart, little more than by guessing, and the pictures are far from real ones.",
            "它只分清了 {apart}%，和乱猜差不多，而生成的图离真图还很远。",
        ),
        FindingInfo(
            "g_silent",
            "warning",
            "The generator's gradient has vanished",
            "生成器的梯度消失了",
            "It is at {share} % of what it was: nothing tells the generator where to go.",
            "它只剩最初的 {share}%：没有东西告诉生成器该往哪里走。",
        ),
        FindingInfo(
            "few_classes",
            "warning",
            "Few kinds of picture",
            "图的种类很少",
            "{found} of {classes} classes appear, no more varied than {effective} equally common ones.",
            "{classes} 类里只出现了 {found} 类，多样程度相当于 {effective} 个均匀的种类。",
        ),
        FindingInfo(
            "alike",
            "warning",
            "The pictures are too much alike",
            "图与图太相似",
            "They differ from each other {share} % as much as real ones do.",
            "它们彼此的差别只有真图的 {share}%。",
        ),
        FindingInfo(
            "copying",
            "note",
            "It repeats training pictures",
            "它在重复训练图",
            "Samples lie {share} % as far from the nearest training picture as a new real picture would.",
            "样本到最近训练图的距离，只有新的真图的 {share}%。",
        ),
        FindingInfo(
            "worse",
            "warning",
            "The pictures are getting worse",
            "图在变差",
            "Fréchet distance {now}, after {best} at step {step}.",
            "Fréchet 距离 {now}，而第 {step} 步时是 {best}。",
        ),
        FindingInfo(
            "stalled",
            "note",
            "It no longer gets better",
            "不再变好",
            "Fréchet distance {now}; the {best} of step {step} has hardly been bettered since.",
            "Fréchet 距离 {now}；第 {step} 步的 {best} 之后几乎没有再变好。",
        ),
        FindingInfo(
            "kl_collapsed",
            "warning",
            "KL has collapsed",
            "KL 塌缩了",
            "{active} of {units} numbers of the code are active, KL is {kl} nats: it says nothing of the picture.",
            "编码的 {units} 个数里只有 {active} 个活跃，KL 为 {kl} nat：编码什么也没记住。",
        ),
        FindingInfo(
            "diverged",
            "warning",
            "It diverged",
            "训练发散了",
            "Returns to an earlier state so far: {count}. It learns at {share} % of the rate that was asked for.",
            "已退回 {count} 次，现在只用所设学习率的 {share}%。",
        ),
        FindingInfo(
            "far",
            "quiet",
            "Not much to be seen yet",
            "还看不出进展",
            "Fréchet distance {frechet}, after {first} at first; real pictures against real ones have {floor}. "
            "D tells {apart} % apart.",
            "Fréchet 距离 {frechet}，最初是 {first}；真图对真图是 {floor}。判别器能分清 {apart}%。",
        ),
        FindingInfo(
            "learning",
            "good",
            "It is learning",
            "正在学习",
            "Fréchet distance {frechet}, after {first} at first; real pictures against real ones have {floor}. "
            "D tells {apart} % apart.",
            "Fréchet 距离从最初的 {first} 降到 {frechet}；真图对真图是 {floor}。判别器能分清 {apart}%。",
        ),
        FindingInfo(
            "well",
            "good",
            "All well",
            "一切正常",
            "D tells {apart} % apart: a fair game.",
            "判别器能分清 {apart}%：势均力敌。",
        ),
        FindingInfo(
            "well_measured",
            "good",
            "All well",
            "一切正常",
            "D tells {apart} % apart; Fréchet distance {frechet}, where real pictures against real ones have {floor}.",
            "判别器能分清 {apart}%；Fréchet 距离 {frechet}，真图对真图是 {floor}。",
        ),
        FindingInfo(
            "well_classes",
            "good",
            "All well",
            "一切正常",
            "D tells {apart} % apart, {found} of {classes} classes appear; Fréchet distance {frechet}, where real "
            "pictures against real ones have {floor}.",
            "判别器能分清 {apart}%，{classes} 类里出现了 {found} 类；Fréchet 距离 {frechet}，真图对真图是 {floor}。",
        ),
        FindingInfo(
            "well_code",
            "good",
            "All well",
            "一切正常",
            "{active} of {units} numbers of the code are active, KL is {kl} nats.",
            "编码的 {units} 个数里有 {active} 个活跃，KL 为 {kl} nat。",
        ),
    )
}


def filled(template: str, values: Mapping[str, str | float]) -> str:
    """``template`` with its ``values``, numbers without needless digits."""
    return template.format(**{key: value if isinstance(value, str) else f"{value:g}" for key, value in values.items()})


@dataclass(frozen=True)
class FixInfo:
    """What a button says; ``value`` is what the setting would become."""

    key: str
    text: str
    text_zh: str


FIXES = {
    info.key: info
    for info in (
        FixInfo("raise_gamma", "Raise the penalty weight to {value}", "惩罚权重提高到 {value}"),
        FixInfo("penalty", "Hold D back by a gradient penalty", "用梯度惩罚约束判别器"),
        FixInfo("lower_gamma", "Lower the penalty weight to {value}", "惩罚权重降到 {value}"),
        FixInfo("slow_d", "Slow D to {value} times G's rate", "判别器学习率降到生成器的 {value} 倍"),
        FixInfo("hasten_d", "Let D learn at {value} times G's rate", "判别器学习率升到生成器的 {value} 倍"),
        FixInfo("more_d_steps", "{value} updates of D a step", "每步更新判别器 {value} 次"),
        FixInfo("smooth_labels", "Smooth the labels by {value}", "标签平滑设为 {value}"),
        FixInfo("augment", "Show D augmented pictures", "给判别器看增强后的图"),
        FixInfo("balance_rates", "Let D's learning rate follow how right it is", "让判别器的学习率随判对率变化"),
        FixInfo("balance_updates", "Leave out or repeat updates of D", "按需跳过或重复判别器的更新"),
        FixInfo("blur", "Add instance noise of {value}", "实例噪声加到 {value}"),
        FixInfo("slow_down", "Lower the learning rate to {value}", "学习率降到 {value}"),
        FixInfo("lower_beta", "Lower beta to {value}", "beta 降到 {value}"),
        FixInfo("longer_warmup", "Warm up over {value} of the run", "预热延长到全程的 {value}"),
        FixInfo("free_bits", "Leave {value} nats a number free", "每个数留出 {value} nat 的自由比特"),
    )
}
