/**
 * Words that short blocks of boilerplate are made of, in the larger languages of the web: one bit a group.
 * Only blocks of few words are looked at; a long text may speak of cookies without being a notice.
 */
import type { Blocks } from "./blocks.ts";
import type { Tree } from "./html.ts";
import type { Measured } from "./measure.ts";
import { hashStart, hashStep, hashTable } from "./tags.ts";

const groups: Readonly<Record<string, string>> = {
  legal:
    "copyright rights reserved privacy policy terms conditions disclaimer imprint legal impressum datenschutz agb urheberrecht rechte prywatności regulamin polityka zastrzeżone права защищены конфиденциальности политика όροι χρήσης απορρήτου δικαιώματα mentions légales aviso derechos",
  cookie: "cookie cookies consent gdpr tracking einwilligung zustimmen akceptuję ciasteczka",
  share:
    "share tweet sharing follow like likes bookmark pin print teilen drucken merken udostępnij drukuj поделиться распечатать μοιραστείτε εκτύπωση partager imprimer compartir imprimir",
  account:
    "login log sign signin signup register password account logout anmelden einloggen registrieren passwort konto zaloguj zarejestruj войти регистрация вход σύνδεση εγγραφή connexion inscription ingresar",
  subscribe:
    "subscribe newsletter subscription unsubscribe subscribers abonnieren abo newslettern prenumerata подписаться подписка рассылка εγγραφείτε abonnez suscríbete",
  more: "more read continue related also recommended popular trending latest next previous similar most recent mehr weitere weiterlesen lesen auch verwandte ähnliche nächste vorherige więcej czytaj zobacz także podobne подробнее читать читайте также далее другие ещё περισσότερα διαβάστε επίσης σχετικά lire aussi plus leer más",
  comment:
    "comment comments reply replies commented responses report flag quote kommentar kommentare kommentieren antworten antwort komentarz komentarze komentarzy odpowiedz комментарий комментарии комментариев ответить ответов σχόλιο σχόλια απάντηση commentaires comentarios",
  posted:
    "posted published updated updated: by written author editor ago edited veröffentlicht aktualisiert autor redaktion uhr opublikowano dodano źródło опубликовано обновлено автор источник редакция δημοσιεύθηκε ενημέρωση publié mis publicado 来源 编辑 作者 时间 责任编辑 发布",
  month:
    "january february march april may june july august september october november december jan feb mar apr jun jul aug sep sept oct nov dec januar februar märz mai juni juli oktober dezember stycznia lutego marca kwietnia maja czerwca lipca sierpnia września października listopada grudnia января февраля марта апреля мая июня июля августа сентября октября ноября декабря ιανουαρίου φεβρουαρίου μαρτίου απριλίου μαΐου ιουνίου ιουλίου αυγούστου σεπτεμβρίου οκτωβρίου νοεμβρίου δεκεμβρίου monday tuesday wednesday thursday friday saturday sunday mon tue wed thu fri sat sun",
  shop: "cart buy price shipping stock quantity sku wishlist basket checkout delivery sale order free warenkorb preis lieferung versand kaufen bestellen koszyka cena dostawa корзину купить цена доставка",
  navigation:
    "home menu search contact about skip back top navigation sitemap help faq main archive startseite suche kontakt hilfe zurück übersicht strona główna szukaj kontakt mapa главная поиск контакты карта меню αρχική αναζήτηση επικοινωνία accueil recherche inicio buscar 首页 搜索 返回",
  media:
    "photo image video credit photos images gallery caption photograph watch listen audio foto bild fotos bilder quelle fot zdjęcie фото видео φωτογραφία 图 图片 视频",
  advert:
    "advertisement sponsored advertise ad promoted anzeige werbung reklama реклама διαφήμιση publicité publicidad 广告",
  view: "view views show all see load expand close open hide toggle click here learn download filter sort anzeigen alle schließen zeigen pokaż показать все",
  people:
    "members member posts users guest guests moderator admin staff team joined reputation messages threads",
  tags: "tags tag category categories filed under keywords topic topics schlagworte kategorie tagi kategoria теги рубрика метки ετικέτες",
};

export const lexiconGroups: readonly string[] = Object.keys(groups);

const groupByHash = hashTable(
  Object.entries(groups).flatMap(([, words], number) =>
    [...new Set(words.split(" "))].map(word => [word, 1 << number] as const),
  ),
);

/** Blocks with more words are not looked up in the lexicon. */
const MOST_WORDS = 25;
/** Words of a block that are compared with what the page says of itself. */
const COMPARED = 60;

function lower(code: number): number {
  if (code >= 65 && code <= 90) return code | 32;
  if (code < 0xc0) return code;
  if (code <= 0xde || (code >= 0x391 && code <= 0x3a9) || (code >= 0x410 && code <= 0x42f)) return code + 32;
  return code;
}

/** Ideographs and kana stand for a word each: there is no space between theirs. */
function isWide(code: number): boolean {
  return code >= 0x3040 && code <= 0x9fff;
}

function isLetter(code: number): boolean {
  const letter = code | 32;
  return (
    (letter >= 97 && letter <= 122) ||
    (code >= 0xc0 && code < 0x2000) ||
    code > 0x9fff ||
    (code >= 48 && code <= 57)
  );
}

/** Calls `word` with the hash of each word between two positions; stops where it answers false. */
function eachWord(source: string, from: number, to: number, word: (hash: number) => boolean): boolean {
  let hash = hashStart;
  let letters = 0;
  for (let at = from; at <= to; at++) {
    const code = at < to ? source.charCodeAt(at) : 32;
    if (isLetter(code)) {
      hash = hashStep(hash, lower(code));
      letters++;
      continue;
    }
    if (letters > 0 && !word(hash)) return false;
    hash = hashStart;
    letters = 0;
    if (isWide(code) && !word(hashStep(hashStart, code))) return false;
  }
  return true;
}

/** What the page says of itself elsewhere than in its text. */
export type Hints = {
  readonly title: string | null;
  readonly description: string | null;
  readonly body: string | null;
};

export type Words = {
  /** Group bits of every block of few words. */
  readonly groups: Int32Array;
  /** Share of a block's first words that stand in the title, the description, the body of the hints; -1 without it. */
  readonly inTitle: Float32Array;
  readonly inDescription: Float32Array;
  readonly inBody: Float32Array;
};

export function readWords(tree: Tree, blocks: Blocks, measured: Measured, hints: Hints): Words {
  const { source, from, to } = tree;
  const { count } = blocks;
  const groupBits = new Int32Array(count);
  const inTitle = new Float32Array(count);
  const inDescription = new Float32Array(count);
  const inBody = new Float32Array(count);
  const known = new Map<number, number>();
  const hinted = [hints.title, hints.description, hints.body];
  hinted.forEach((text, i) => {
    if (text === null) return;
    eachWord(text, 0, Math.min(text.length, 100_000), hash => {
      known.set(hash, (known.get(hash) ?? 0) | (1 << i));
      return true;
    });
  });
  let words = 0;
  let found = 0;
  let isShort = false;
  const hits = [0, 0, 0];
  const word = (hash: number): boolean => {
    words++;
    if (isShort) found |= groupByHash(hash);
    const bits = known.get(hash);
    if (bits !== undefined) {
      hits[0] += bits & 1;
      hits[1] += (bits >> 1) & 1;
      hits[2] += bits >> 2;
    }
    return words < COMPARED;
  };
  for (let block = 0; block < count; block++) {
    words = 0;
    found = 0;
    hits.fill(0);
    isShort = measured.words[block] <= MOST_WORDS;
    for (let i = blocks.first[block], last = blocks.first[block + 1]; i < last; i++) {
      const item = blocks.items[i];
      if (item >= 0 && !eachWord(source, from[item], to[item], word)) break;
    }
    groupBits[block] = found;
    inTitle[block] = hints.title === null ? -1 : hits[0] / Math.max(1, words);
    inDescription[block] = hints.description === null ? -1 : hits[1] / Math.max(1, words);
    inBody[block] = hints.body === null ? -1 : hits[2] / Math.max(1, words);
  }
  return { groups: groupBits, inTitle, inDescription, inBody };
}
