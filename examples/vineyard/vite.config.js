import { defineConfig } from "vite";

export default defineConfig({
  base: "/static/",
  build: {
    manifest: "manifest.json",
    outDir: "built",
    rollupOptions: { input: "assets/main.js" },
  },
});
