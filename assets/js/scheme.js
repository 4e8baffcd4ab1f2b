// Light or dark before the first paint: what the person chose here, else what the system says.
// gradio sets its own class when it starts; an observer keeps ours.
(() => {
  const wanted = () => {
    const chosen = localStorage.getItem("atelier-scheme");
    return chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  };
  const apply = () => {
    const dark = wanted();
    document.documentElement.style.colorScheme = dark ? "dark" : "light";
    document.documentElement.style.background = dark ? "#171614" : "#faf9f7";
    if (document.body && document.body.classList.contains("dark") !== dark) document.body.classList.toggle("dark", dark);
  };
  apply();
  document.addEventListener("DOMContentLoaded", () => {
    apply();
    new MutationObserver(apply).observe(document.body, {attributes: true, attributeFilter: ["class"]});
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", apply);
  window.atelierScheme = {
    dark: wanted,
    toggle() {
      localStorage.setItem("atelier-scheme", wanted() ? "light" : "dark");
      apply();
      window.dispatchEvent(new Event("atelier-scheme"));
    },
  };
})();
