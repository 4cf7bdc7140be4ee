export const vines = ["Riesling", "Silvaner", "Trollinger"];
