/** Small whole pages of our own, one of each kind that the engine must tell apart. */

const sentences = [
  "The ferry to the island leaves twice a day, at eight in the morning and at half past four.",
  "In winter the second crossing is dropped, and anyone who misses the first must wait for the next day.",
  "The harbour master keeps a list of those who are expected, and he does not sail before they are aboard.",
  "For the first two miles the water is sheltered; after the lighthouse the swell comes in from the west.",
  "Bring a coat, whatever the forecast says, and something to eat, because the kiosk on deck is seldom open.",
  "On the far side a bus meets the boat and takes the coast road to the village, a ride of twenty minutes.",
];

const paragraph = (from: number, count: number): string =>
  `<p>${Array.from({ length: count }, (_, i) => sentences[(from + i) % sentences.length]).join(" ")}</p>`;

const menu =
  '<nav class="main-menu"><ul><li><a href="/">Home</a></li><li><a href="/travel">Travel</a></li><li><a href="/food">Food</a></li><li><a href="/about">About us</a></li></ul></nav>';
const notice =
  '<div class="cookie-consent"><p>We use cookies to improve your experience on our site.</p><button>Accept all</button></div>';
const share =
  '<div class="share-buttons"><a href="#">Share on one network</a> <a href="#">Tweet</a> <a href="#">Email</a></div>';
const related = `<aside class="related"><h3>More stories</h3>${[
  "Ten walks for rainy days",
  "The bakers who start at two",
  "A museum in a water tower",
]
  .map(title => `<div class="card"><a href="/x"><h4>${title}</h4></a><a href="/x">Read more</a></div>`)
  .join("")}</aside>`;
const footer =
  '<footer><ul><li><a href="/privacy">Privacy policy</a></li><li><a href="/terms">Terms of use</a></li></ul><p>Copyright 2024 The Example Gazette. All rights reserved.</p></footer>';

const frame = (title: string, body: string, head = ""): string =>
  `<!DOCTYPE html><html lang="en-GB"><head><meta charset="utf-8"><title>${title} | The Example Gazette</title>${head}</head><body><header>${menu}</header>${notice}${body}${footer}</body></html>`;

export const miniPages: Readonly<Record<string, string>> = {
  article: frame(
    "The island ferry",
    `<main><article class="post"><h1>The island ferry</h1><p class="byline">By Ada Example, 3 May 2024</p>${paragraph(0, 3)}${share}<h2>What to bring</h2>${paragraph(3, 2)}<ul><li>A warm coat and a hat</li><li>Bread, cheese and apples</li></ul>${paragraph(1, 3)}</article>${related}</main>`,
    '<meta property="og:type" content="article"><meta property="article:published_time" content="2024-05-03T08:00:00+01:00"><link rel="canonical" href="/ferry">',
  ),
  forum: frame(
    "Which boat is best?",
    `<main><h1>Which boat is best?</h1>${[0, 2, 4, 1]
      .map(
        i =>
          `<div class="post message"><div class="user-info"><a href="/u/${i}">sailor${i}</a><span>Posts: ${i * 31}</span></div><div class="post-body">${paragraph(i, 2)}</div><div class="post-actions"><a href="#">Reply</a> <a href="#">Report</a></div></div>`,
      )
      .join("")}</main>`,
  ),
  product: frame(
    "Oilskin coat",
    `<main class="product"><div class="gallery"><img src="a.jpg"></div><h1>Oilskin coat</h1><p class="price">£89.00</p><div class="product-description"><p>A coat for the deck: waxed cotton, taped seams and a hood that stays up in a gale.</p><p>Cut long, with two deep pockets, and lined with wool from the island's own sheep.</p></div><table class="specs"><tr><th>Material</th><td>Waxed cotton</td></tr><tr><th>Weight</th><td>1.4 kg</td></tr></table><button>Add to basket</button></main>`,
    '<meta property="og:type" content="product">',
  ),
  documentation: frame(
    "Timetable API",
    `<main><article><h1>Timetable API</h1>${paragraph(0, 2)}<h2>Example</h2><pre><code>for crossing in timetable:\n    if crossing.runs:\n        print(crossing.time)</code></pre>${paragraph(2, 2)}<table><tr><th>Field</th><th>Meaning</th></tr><tr><td>time</td><td>when the boat leaves</td></tr></table>${paragraph(4, 2)}</article></main>`,
  ),
  old: `<html><head><title>Island page</title></head><body bgcolor=white><center><font size=5>Island page</font></center><hr><table width=100%><tr><td width=120><a href=a.html>Index</a><br><a href=b.html>Links</a><br><a href=c.html>Guestbook</a><br>${Array.from({ length: 12 }, (_, i) => `<a href=${i}.html>Old news of the year ${1990 + i}</a><br>`).join("")}</td><td>${sentences.join("<br><br>")}</td></tr></table></body></html>`,
  list: frame(
    "Places to stay",
    `<main><h1>Places to stay</h1><div class="listing">${[
      "Harbour Inn",
      "The Lookout",
      "Shepherd's Rest",
      "Quay House",
    ]
      .map(
        (name, i) =>
          `<div class="listing-item"><h2>${name}</h2>${paragraph(i, 1)}<p>From £${50 + i * 7} a night</p></div>`,
      )
      .join("")}</div></main>`,
  ),
  bare: `${paragraph(0, 3)}${paragraph(3, 3)}`,
  app: `<html><head><title>The app</title></head><body><div id="root"></div><noscript><h1>Ferry talk</h1>${paragraph(0, 3)}${paragraph(3, 2)}</noscript><script>start()</script></body></html>`,
};

export const miniSentences: readonly string[] = sentences;
