// Ties the names of widgets, as Python says them, to what draws them.

import {settled, mark} from "./bench.js";
import {brush} from "./brush.js";
import {devices} from "./devices.js";
import {ask, stageExplore} from "./explore.js";
import {courier, footer, header, strip} from "./frame.js";
import {stagePictures, toFetch, traits} from "./image.js";
import "./keys.js";
import {library} from "./library.js";
import {moderation} from "./moderation.js";
import {chip} from "./own.js";
import {blend, reckoned} from "./painter.js";
import {people} from "./people.js";
import {film} from "./shelf.js";
import {choices, drop, stageStyle} from "./style.js";
import {steering} from "./steering.js";
import {plan} from "./sweep.js";
import {stageText} from "./text.js";
import {stageTraining} from "./training.js";
import {language, translate} from "./words.js";

const widgets = {
  header, footer, strip, courier, film, library, choices, drop, steering,
  brush, traits, chip, ask, people, devices, moderation, blend, reckoned,
  "to-fetch": toFetch,
  sweep_plan: plan,
  "stage-text": stageText,
  "stage-image": stagePictures("image"),
  "stage-sample": stagePictures("sample"),
  "stage-explore": stageExplore,
  "stage-style": stageStyle,
  "stage-training": stageTraining,
};

document.documentElement.lang = language === "zh" ? "zh-CN" : "en";
window.atelier = {
  settled,
  mount(name, element, props, trigger, watch, fixed) {
    widgets[name](element, props, trigger, watch, fixed);
    translate(document);
  },
};
window.dispatchEvent(new Event("atelier-ready"));
