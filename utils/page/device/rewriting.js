// A text as it is wanted: simplified Chinese, no punctuation.

let simplified = new Map();

// Characters and what each becomes, as two strings of equal length.
export function setCharacters([before, after]) {
  const becomes = [...after];
  simplified = new Map([...before].map((character, place) => [character, becomes[place]]));
}

const HAN = "[\\p{Script=Han}\\p{Script=Hiragana}\\p{Script=Katakana}]";
const SPACE_AT_HAN = new RegExp(`(?<=${HAN})\\s+|\\s+(?=${HAN})`, "gu");

export function rewritten(text, language, toSimple, withMarks) {
  let found = text;
  if (toSimple && ["zh", "yue"].includes(language)) found = [...found].map((each) => simplified.get(each) ?? each).join("");
  if (!withMarks) {
    found = found.replace(/[\p{P}\p{S}]+/gu, " ").replace(/\s+/gu, " ").trim();
    if (["zh", "yue", "ja"].includes(language)) found = found.replace(SPACE_AT_HAN, "");
  }
  return found;
}
