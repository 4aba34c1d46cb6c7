// One model's sentences: times that play, texts that can be edited, copies, files, corrections.

import { FORMATS, download, shortClock } from "./formats.js";
import { text } from "./texts.js";

export class Column {
  constructor(model, play, save) {
    this.element = document.getElementById("column").content.firstElementChild.cloneNode(true);
    this.model = model;
    this.play = play;
    this.list = this.element.querySelector("ol");
    this.sentences = [];
    this.name = "transcript";
    this.element.querySelector("h3").textContent = model;
    this.element.querySelector(".copy").onclick = (event) => this.#copy(event.currentTarget);
    const menu = this.element.querySelector(".download select");
    menu.onchange = () => {
      if (menu.value) download(`${this.name}.${menu.value}`, FORMATS[menu.value](this.sentences, this.language));
      menu.value = "";
    };
    this.form = this.element.querySelector(".save");
    this.form.onsubmit = (event) => {
      event.preventDefault();
      save(this, this.form);
    };
    this.translate();
  }

  add(sentence) {
    const number = this.sentences.push(sentence);
    const item = document.getElementById("sentence").content.firstElementChild.cloneNode(true);
    const area = item.querySelector("textarea");
    const heard = sentence.text;
    area.value = heard;
    area.oninput = () => {
      sentence.text = area.value.replaceAll("\n", " ");
      item.classList.toggle("edited", sentence.text !== heard);
      fit(area);
    };
    area.onkeydown = (event) => {
      if (event.key === "Enter") event.preventDefault();
      if (event.key === "Enter" && !event.isComposing) this.#playNumber(number - 1);
    };
    item.querySelector(".play").onclick = () => this.#playNumber(number - 1);
    this.list.append(item);
    this.#label(item, sentence, number);
    fit(area);
    this.#count();
  }

  #playNumber(place) {
    const { start, end } = this.sentences[place];
    this.play(start, end);
  }

  #label(item, sentence, number) {
    const begin = shortClock(sentence.start), end = shortClock(sentence.end);
    const button = item.querySelector(".play");
    button.textContent = begin;
    button.setAttribute("aria-label", text("play", number, begin, end));
    item.querySelector("textarea").setAttribute("aria-label", text("sentence", number));
  }

  #count() {
    this.element.querySelector(".count").textContent = text("sentences", this.sentences.length);
  }

  // What is being spoken at a time is marked.
  mark(seconds) {
    [...this.list.children].forEach((item, place) => {
      const { start, end } = this.sentences[place];
      item.classList.toggle("now", start <= seconds && seconds < end);
    });
  }

  finish(canSave) {
    this.element.querySelector(".empty").hidden = this.sentences.length > 0;
    this.form.hidden = !canSave || !this.sentences.length;
  }

  async #copy(button) {
    await navigator.clipboard.writeText(FORMATS.txt(this.sentences));
    button.textContent = text("copied");
    setTimeout(() => { button.textContent = text("copy"); }, 1500);
  }

  translate() {
    for (const element of this.element.querySelectorAll("[data-text]")) element.textContent = text(element.dataset.text);
    this.element.querySelector(".download select").setAttribute("aria-label", text("download"));
    [...this.list.children].forEach((item, place) => this.#label(item, this.sentences[place], place + 1));
    this.#count();
  }
}

// Where the browser does not fit the field to its text itself.
function fit(area) {
  if (CSS.supports("field-sizing", "content")) return;
  area.style.height = "auto";
  area.style.height = `${area.scrollHeight + 2}px`;
}
