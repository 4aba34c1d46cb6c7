// What is printed beside the scores and the reasons: the utterances with most errors, and the footer.

const WORST_PRINTED = 50;

// Built beforehand, because a browser does not wait when it begins to print.
async function showPaper() {
  const model = models.indexOf(modelInQuestion());
  const wrong = Array.from(data.errors[model].keys()).filter((i) => data.errors[model][i] && data.errors[model][i] !== ABSENT);
  wrong.sort((a, b) => data.errors[model][b] - data.errors[model][a] || a - b);
  const numbers = wrong.slice(0, WORST_PRINTED);
  const lines = await texts.read(numbers);
  const items = numbers.map((number) => {
    const [id, reference, ...hypotheses] = lines.get(number);
    const asked = models.map((_, m) => m).filter((m) => data.errors[m][number] !== ABSENT);
    const rows = [['REF', reference], ...asked.map((m) => [models[m], hypotheses[m]])];
    return el('li', {}, el('strong', { dir: 'auto' }, id), ` ${data.errors[model][number]} of ${data.tokens[number]}`,
      el('dl', {}, ...rows.flatMap(([name, words]) => [el('dt', { dir: 'auto' }, name), el('dd', { dir: 'auto' }, folded(words) || '(nothing)')])));
  });
  const title = wrong.length > numbers.length ? `The ${numbers.length} utterances with most errors, of ${count(wrong.length)} with errors` : 'The utterances with errors';
  $('paper').replaceChildren(el('h2', {}, title), el('ol', {}, ...items));
}

function showFooter() {
  const facts = overview.measured.map((fact) => el('p', {}, fact));
  const hashes = overview.scores.map((score) => el('li', { dir: 'auto' }, [
    `${score.model} on ${setOf(score)}`, `weights ${short(score.model_sha256)}`, `manifest ${short(score.manifest_sha256)}`,
    `normalizer ${score.normalizer}`, decodingOf(score)].join('; ')));
  const files = overview.paths.map((path, i) => el('li', {}, path, ...overview.made[i].map((line) => el('div', { dir: 'auto' }, line))));
  $('about').replaceChildren(...facts, el('ul', {}, ...hashes), el('p', {}, 'Made from:'), el('ul', {}, ...files));
}
