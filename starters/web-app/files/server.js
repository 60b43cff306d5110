import express from "express";

const app = express();
const messages = [];
const entities = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };
const escape = (text) => String(text).replace(/[&<>"']/g, (one) => entities[one]);

const page = (title, content) => `<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>${escape(title)}</title><link rel="stylesheet" href="/style.css">
<h1>${escape(title)}</h1>${content}</html>`;

app.use(express.urlencoded({ extended: false, limit: "10kb" }));
app.use(express.static("public", { maxAge: "1h" }));

app.get("/", (request, response) => {
  const list = messages.map((text) => `<li>${escape(text)}</li>`).join("");
  const form = '<form method="post"><input name="text" required maxlength="200"><button>Send</button></form>';
  response.send(page("Guest book", `<ul>${list}</ul>${form}`));
});

app.post("/", (request, response) => {
  const text = (request.body.text ?? "").trim();
  if (!text || text.length > 200) {
    return response.status(400).send(page("Guest book", "<p>Write 1 to 200 characters.</p>"));
  }
  messages.push(text);
  response.redirect(303, "/");
});

app.listen(process.env.PORT || 3000, () => console.log("listening"));
