"""The series of a training that are measured every few seconds, on samples of the averaged generator.

Plain data, no torch, for the page; they are measured in ``reference``.
"""

from __future__ import annotations

from pipelines.training.recipe_names import Series

#: in the order of the page; the last two are shares of what real pictures have
MEASURES = {
    series.name: series
    for series in (
        Series("frechet", "Generated pictures", "生成的图", "frechet"),
        Series("floor", "Real pictures against real ones", "真图对真图", "frechet"),
        Series("kernel", "Kernel distance", "核距离", "kernel"),
        Series("classes", "Classes that appear", "出现的种类", "classes"),
        Series("effective_classes", "Effective number of classes", "有效种类数", "classes"),
        Series("diversity", "Distance between samples", "样本之间的距离", "diversity"),
        Series("novelty", "Distance to the nearest training picture", "到最近训练图的距离", "diversity"),
    )
}
