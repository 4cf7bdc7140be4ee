import "./main.css";
import { vines } from "./vines.js";

document.querySelector("#vines").replaceChildren(
  ...vines.map((name) => {
    const row = document.createElement("li");
    row.textContent = name;
    return row;
  }),
);
