/**
 * What the names in `class`, `id`, `role` and `itemprop` say about an element: groups of words that page authors use
 * for the parts of a page. A name is split at every non-letter and at a capital after a small letter; each word that
 * belongs to a group sets the group's bit. Knows no site: only words.
 */

import { hashStart, hashStep, hashTable } from "./tags.ts";
import { attributeOf, type Tree } from "./tree.ts";

/** Group names in bit order: no more than an integer has bits for. */
const groups: Readonly<Record<string, string>> = {
  article: "article articles articlebody story storybody entry entries news hentry blogposting newsarticle",
  post: "post posts blog blogpost thread threads topic message messages msg posting postbody postcontent",
  content:
    "content contents body text txt copy prose markdown wysiwyg richtext rte bodytext articletext maincontent",
  main: "main primary center centre middle core maincol wrapper container page",
  description:
    "desc description details detail spec specs specification specifications overview features feature about summary lead lede standfirst intro introduction excerpt abstract dek preamble",
  title: "title headline heading subtitle subheading hed titles headlines subhead subheadline name",
  people:
    "author authors byline bio writer dateline date time timestamp published posted updated meta postmeta user users profile avatar member members username usergroup rank userinfo poster",
  comment: "comment comments commentlist respond reply replies discussion discuss feedback commenting",
  review: "review reviews rating ratings testimonial testimonials stars star",
  navigation:
    "nav navigation navbar menu menus submenu megamenu topnav navi sitemap mainmenu breadcrumb breadcrumbs crumb crumbs breadcrumblist pagination pager paging paginator pages pagenav pagenavi toc tableofcontents onthispage skip jump backtotop totop",
  header: "header head masthead topbar top logo brand branding",
  hero: "hero jumbotron banner banners cover splash",
  footer: "footer foot bottom colophon copyright legal disclaimer imprint",
  sidebar: "sidebar side aside rail right left column secondary widget widgets sidebars complementary",
  related:
    "related recommended recommend recommendations recommendation more also similar recirc trending popular mostread latest recent next prev previous suggested suggestions discover relatedposts readmore",
  social:
    "share sharing shares social socials follow bookmark sns like likes tweet sharebar newsletter newsletters subscribe subscription subscriptions signup mailing optin paywall cta donate donation",
  advert:
    "ad ads advert advertisement advertising adsense sponsor sponsored sponsors promo promotion promoted promos campaign commercial",
  overlay:
    "cookie cookies consent gdpr ccpa cookiebar cookiebanner modal modals popup popups overlay lightbox dialog drawer offcanvas flyout dropdown tooltip toast snackbar popover alert alerts notice notices warning error noscript upgrade announcement notification notifications login signin account register registration logout password",
  form: "form forms input field fields survey poll quiz vote votes voting search searchbox filter filters facet facets sort sorting refine autocomplete",
  tags: "tag tags category categories taxonomy keywords topics label labels badge chip chips",
  product:
    "product products productpage shop store catalog catalogue goods price prices pricing cart sku buy basket wishlist stock quantity qty variant variants swatch checkout offer offers shipping",
  card: "card cards tile tiles item items teaser teasers listitem box boxes",
  list: "list listing listings grid result results feed stream collection collections row rows archive loop index",
  slider: "carousel slider slide slides swiper slick gallery slideshow marquee ticker",
  media:
    "image images img photo photos picture figure caption video videos player thumb thumbnail media credit credits embed audio",
  hidden: "hidden hide visuallyhidden sr screenreader invisible offscreen noprint",
  button: "btn button buttons link links action actions toolbar tool tools print email icon icons controls",
  accordion:
    "accordion collapse collapsible faq faqs question answer questions answers toggle expand tab tabs panel panels tabpanel pane",
  code: "code highlight codehilite syntax snippet table datatable",
  section: "section sections block module component region zone",
  event: "event events job jobs recipe course courses team person people staff",
};

export const groupNames: readonly string[] = Object.keys(groups);

/** The bit of a group. */
export function groupBit(name: string): number {
  return 1 << groupNames.indexOf(name);
}

const bitsByHash = hashTable(
  Object.entries(groups).flatMap(([, words], number) =>
    words.split(" ").map(word => [word, 1 << number] as const),
  ),
);

const CLASS = attributeOf.class;
const ID = attributeOf.id;
const ROLE = attributeOf.role;
const ITEMPROP = attributeOf.itemprop;
const HIDDEN = attributeOf.hidden;
const STYLE = attributeOf.style;
const ARIA_HIDDEN = attributeOf["aria-hidden"];

/** Group bits and a hash of the class for every node. Text nodes have none. */
export type Names = {
  readonly groups: Int32Array;
  /** Hash of the tag and the class words without digits: equal for elements that look alike. */
  readonly signature: Int32Array;
  /** 1 for elements that say of themselves that they are not shown. */
  readonly hidden: Uint8Array;
};

/** Reads the names of every element once. Values longer than this are read up to it. */
const LONGEST_VALUE = 400;

function hides(name: number, source: string, from: number, to: number): boolean {
  const value = source.slice(from, Math.min(to, from + LONGEST_VALUE));
  if (name === HIDDEN) return !/^until-found$/i.test(value);
  if (name === ARIA_HIDDEN) return /^\s*true\s*$/i.test(value);
  return /(?:^|[;\s])(?:display\s*:\s*none|visibility\s*:\s*hidden)/i.test(value);
}

export function readNames(tree: Tree): Names {
  const { source, count, tag, firstAttribute, attributeName, attributeFrom, attributeTo } = tree;
  const groupBits = new Int32Array(count);
  const signature = new Int32Array(count);
  const hidden = new Uint8Array(count);
  for (let node = 0; node < count; node++) {
    if (tag[node] === 0) continue;
    let bits = 0;
    let looks = hashStep(hashStart, tag[node]);
    for (let i = firstAttribute[node], stop = firstAttribute[node + 1]; i < stop; i++) {
      const name = attributeName[i];
      if (name === HIDDEN || name === STYLE || name === ARIA_HIDDEN) {
        if (hides(name, source, attributeFrom[i], attributeTo[i])) hidden[node] = 1;
        continue;
      }
      if (name !== CLASS && name !== ID && name !== ROLE && name !== ITEMPROP) continue;
      const end = Math.min(attributeTo[i], attributeFrom[i] + LONGEST_VALUE);
      let hash = hashStart;
      let letters = 0;
      let small = false;
      for (let at = attributeFrom[i]; at <= end; at++) {
        const code = at < end ? source.charCodeAt(at) : 32;
        const isCapital = code >= 65 && code <= 90;
        const isLetter = isCapital || (code >= 97 && code <= 122);
        if (letters > 0 && (!isLetter || (isCapital && small))) {
          bits |= bitsByHash(hash);
          hash = hashStart;
          letters = 0;
        }
        if (isLetter) {
          hash = hashStep(hash, code | 32);
          letters++;
          if (name === CLASS) looks = hashStep(looks, code);
        }
        small = isLetter && !isCapital;
      }
    }
    groupBits[node] = bits;
    signature[node] = looks;
  }
  return { groups: groupBits, signature, hidden };
}
