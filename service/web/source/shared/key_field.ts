// The key of the service, kept until the tab is closed.

import type { Service } from "../service/service.ts";
import { h, icon } from "../view/dom.ts";

export class KeyField {
  readonly element: HTMLFormElement;
  private readonly input: HTMLInputElement;
  private readonly told = h("span", { class: "told", role: "status" });

  constructor(service: Service, onKey: () => void) {
    this.input = h("input", { type: "password", id: "key", autocomplete: "off", spellcheck: "false", value: service.key, placeholder: "key of this service" });
    this.element = h("form", { class: "key", hidden: true }, [
      h("label", { for: "key" }, [icon("key"), h("span", {}, "Key")]), this.input,
      h("button", { type: "submit", class: "button small" }, "Use"), this.told,
    ]);
    this.element.addEventListener("submit", (event) => {
      event.preventDefault();
      service.key = this.input.value.trim();
      onKey();
    });
  }

  show(told = ""): void {
    this.element.hidden = false;
    this.told.textContent = told;
  }

  ask(): void {
    this.show("The service wants another key.");
    this.input.focus();
  }
}
