// Small comforts. Every page works without this file.
"use strict";

// A select that shows its choice at once.
for (const select of document.querySelectorAll("[data-submit]")) {
  select.addEventListener("change", () => select.form.requestSubmit());
  select.form.querySelector("button").hidden = true;
}

// A search field that hides what does not match, on this page only.
for (const input of document.querySelectorAll("[data-filter]")) {
  input.hidden = false;
  input.addEventListener("input", () => {
    const words = input.value.toLowerCase().split(/\s+/);
    for (const item of document.querySelectorAll(input.dataset.filter)) {
      const text = item.textContent.toLowerCase();
      item.hidden = !words.every((word) => text.includes(word));
    }
  });
  // Enter would send the form and lose what was typed.
  input.addEventListener("keydown", (event) => {
    if (event.key === "Enter") event.preventDefault();
  });
}

// A look at the photo before it is sent.
for (const image of document.querySelectorAll("[data-preview]")) {
  const input = document.querySelector(image.dataset.preview);
  input.addEventListener("change", () => {
    URL.revokeObjectURL(image.src);
    const [file] = input.files;
    image.hidden = !file;
    if (file) image.src = URL.createObjectURL(file);
  });
}
