// The page's words in the language that the browser asks for, English for all that it has not.
const LANGUAGES = ["en", "de", "zh"];

function chosen() {
  for (const locale of navigator.languages ?? [navigator.language]) {
    const language = LANGUAGES.find((each) => each === locale.split("-")[0].toLowerCase());
    if (language) return [language, locale];
  }
  return ["en", "en"];
}

// Of numbers and times: the language's, as the browser's own country writes it.
export const [language, locale] = chosen();
const FILES = { de: () => import("./words.de.js"), zh: () => import("./words.zh.js") };
const known = FILES[language] ? (await FILES[language]()).default : {};

// `text` is the English; what stands in braces is filled in.
export const say = (text, values = {}) => (known[text] ?? text).replace(/\{(\w+)\}/g, (_, name) => values[name]);

// The one or the other, by whether it is one; `n` is the number as people write it.
export const many = (count, one, other, values = {}) =>
  say(new Intl.PluralRules(language).select(count) === "one" ? one : other, { n: count.toLocaleString(locale), ...values });

// What stands in the document before any program runs.
export function translate(root) {
  if (language === "en") return;
  document.documentElement.lang = locale;
  for (const node of root.querySelectorAll("[data-word]")) node.textContent = say(node.textContent);
  for (const node of root.querySelectorAll("[aria-label]")) node.ariaLabel = say(node.ariaLabel);
}
