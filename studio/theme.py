"""The studio's colours, type and measures as a gradio theme.

Warm neutral greys; deep teal for what can be pressed, amber for what is running. The same colours are in
assets/css/tokens.css for what gradio does not draw; a test keeps the two alike and the contrast at WCAG AA.
"""

from __future__ import annotations

import gradio as gr
from gradio.themes.utils import colors, fonts, sizes

TEAL = colors.Color(
    name="teal",
    c50="#eef6f5",
    c100="#d8ebe8",
    c200="#b1d7d2",
    c300="#83beb7",
    c400="#52b3a8",
    c500="#1f7a73",
    c600="#0f625d",
    c700="#0c4f4b",
    c800="#0a3f3c",
    c900="#08312f",
    c950="#051f1e",
)
STONE = colors.Color(
    name="stone",
    c50="#faf9f7",
    c100="#f3f1ed",
    c200="#e4e0d9",
    c300="#cfc9bf",
    c400="#a39b8f",
    c500="#7b7368",
    c600="#655d53",
    c700="#4a443d",
    c800="#34302b",
    c900="#201e1b",
    c950="#171614",
)
RADIUS = sizes.Size(name="ten", xxs="2px", xs="4px", sm="6px", md="8px", lg="10px", xl="10px", xxl="10px")
SPACING = sizes.Size(name="eight", xxs="2px", xs="4px", sm="6px", md="8px", lg="12px", xl="16px", xxl="24px")

#: (name, light, dark); names are those of gradio's theme, stars refer to its other values
COLOURS = (
    ("body_background_fill", "*neutral_50", "*neutral_950"),
    ("background_fill_primary", "#ffffff", "*neutral_900"),
    ("background_fill_secondary", "*neutral_100", "#1b1917"),
    ("body_text_color", "*neutral_900", "#ece8e1"),
    ("body_text_color_subdued", "*neutral_600", "*neutral_400"),
    ("border_color_primary", "*neutral_200", "*neutral_800"),
    ("border_color_accent", "*primary_600", "*primary_400"),
    ("color_accent_soft", "*primary_50", "#17302e"),
    ("link_text_color", "*primary_600", "*primary_400"),
    ("link_text_color_hover", "*primary_700", "*primary_300"),
    ("link_text_color_active", "*primary_700", "*primary_300"),
    ("link_text_color_visited", "*primary_600", "*primary_400"),
    ("block_background_fill", "transparent", "transparent"),
    ("block_border_color", "transparent", "transparent"),
    ("block_label_background_fill", "transparent", "transparent"),
    ("block_label_text_color", "*neutral_700", "*neutral_300"),
    ("block_title_text_color", "*neutral_900", "#ece8e1"),
    ("block_info_text_color", "*neutral_600", "*neutral_400"),
    ("panel_background_fill", "transparent", "transparent"),
    ("input_background_fill", "#ffffff", "*neutral_900"),
    ("input_background_fill_focus", "#ffffff", "*neutral_900"),
    ("input_border_color", "*neutral_300", "*neutral_700"),
    ("input_border_color_focus", "*primary_600", "*primary_400"),
    ("input_placeholder_color", "*neutral_500", "#8d8579"),
    ("button_primary_background_fill", "*primary_600", "*primary_400"),
    ("button_primary_background_fill_hover", "*primary_700", "*primary_300"),
    ("button_primary_border_color", "*primary_600", "*primary_400"),
    ("button_primary_text_color", "#ffffff", "#06211f"),
    ("button_secondary_background_fill", "#ffffff", "*neutral_900"),
    ("button_secondary_background_fill_hover", "*neutral_100", "*neutral_800"),
    ("button_secondary_border_color", "*neutral_300", "*neutral_700"),
    ("button_secondary_text_color", "*neutral_900", "#ece8e1"),
    ("button_cancel_background_fill", "#fff4e0", "#33260f"),
    ("button_cancel_background_fill_hover", "#ffe9c4", "#422f10"),
    ("button_cancel_border_color", "#d08a1d", "#a6762a"),
    ("button_cancel_text_color", "#6f4300", "#f5bd5f"),
    ("slider_color", "*primary_600", "*primary_400"),
    ("checkbox_background_color_selected", "*primary_600", "*primary_400"),
    ("checkbox_border_color", "*neutral_400", "*neutral_500"),
    ("checkbox_border_color_selected", "*primary_600", "*primary_400"),
    ("checkbox_label_background_fill", "transparent", "transparent"),
    ("checkbox_label_background_fill_hover", "transparent", "transparent"),
    ("checkbox_label_background_fill_selected", "transparent", "transparent"),
    ("error_background_fill", "#fdf1ef", "#2e1a17"),
    ("error_border_color", "#d9a49c", "#6b3a33"),
    ("error_text_color", "#8c2318", "#f2a79c"),
)


class AtelierTheme(gr.themes.Base):
    """Source Sans Pro for words and IBM Plex Mono for numbers, both served by gradio itself."""

    def __init__(self) -> None:
        super().__init__(
            primary_hue=TEAL,
            secondary_hue=STONE,
            neutral_hue=STONE,
            radius_size=RADIUS,
            spacing_size=SPACING,
            text_size=sizes.text_md,
            font=(fonts.LocalFont("Source Sans Pro", weights=(400, 700)), *_CJK, "system-ui", "sans-serif"),
            font_mono=(fonts.LocalFont("IBM Plex Mono", weights=(400,)), "ui-monospace", "monospace"),
        )
        self.name = "atelier"
        light = {name: value for name, value, _ in COLOURS}
        dark = {f"{name}_dark": value for name, _, value in COLOURS}
        super().set(**light, **dark, **_MEASURES)


#: sans-serif typefaces for Chinese that systems bring along
_CJK = ("PingFang SC", "Hiragino Sans GB", "Microsoft YaHei", "Noto Sans CJK SC", "Noto Sans SC")

_MEASURES = {
    "block_border_width": "0px",
    "block_shadow": "none",
    "block_padding": "0px",
    "block_label_border_width": "0px",
    "block_title_text_weight": "700",
    "block_title_text_size": "*text_sm",
    "block_info_text_size": "*text_sm",
    "block_label_text_weight": "700",
    "form_gap_width": "0px",
    "layout_gap": "16px",
    "input_border_width": "1px",
    "input_shadow": "none",
    "input_shadow_focus": "0 0 0 2px *primary_200",
    "input_shadow_focus_dark": "0 0 0 2px *primary_800",
    "input_radius": "8px",
    "button_border_width": "1px",
    "button_large_radius": "10px",
    "button_medium_radius": "8px",
    "button_small_radius": "8px",
    "button_large_text_weight": "700",
    "button_medium_text_weight": "700",
    "button_small_text_weight": "400",
    "button_primary_shadow": "none",
    "button_secondary_shadow": "none",
    "button_cancel_shadow": "none",
    "button_transition": "background-color 120ms, border-color 120ms",
    "button_transform_hover": "none",
    "button_transform_active": "none",
    "shadow_drop": "none",
    "shadow_drop_lg": "none",
    "container_radius": "10px",
}
