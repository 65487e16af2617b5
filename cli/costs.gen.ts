/** What stages cost, measured: printed by bench/costs.ts, not written by hand. Per document unless it says otherwise. */
export const costs = {
  "machine": "AMD EPYC, Node v20.20.2",
  "corpus": "2842 real pages in 7 WARC files of 81 MB (bench/crawl.yaml)",
  "recordBytes": 27700,
  "stages": {
    "read": {
      "cpuSeconds": 0.00153,
      "kept": 1,
      "bytesOut": 148000
    },
    "url-filter": {
      "cpuSeconds": 0.0000886,
      "kept": 0.998,
      "bytesOut": 148000
    },
    "extract": {
      "cpuSeconds": 0.00401,
      "kept": 0.998,
      "bytesOut": 6690
    },
    "language": {
      "cpuSeconds": 0.000885,
      "kept": 0.575,
      "bytesOut": 8480
    },
    "gopher-repetition": {
      "cpuSeconds": 0.00182,
      "kept": 0.904,
      "bytesOut": 8340
    },
    "gopher-quality": {
      "cpuSeconds": 0.000345,
      "kept": 0.907,
      "bytesOut": 8270
    },
    "c4-quality": {
      "cpuSeconds": 0.000562,
      "kept": 0.985,
      "bytesOut": 8060
    },
    "fineweb-quality": {
      "cpuSeconds": 0.000447,
      "kept": 0.886,
      "bytesOut": 7460
    },
    "minhash": {
      "cpuSeconds": 0.000852,
      "kept": 0.95,
      "bytesOut": 7460,
      "scratch": 339
    },
    "pii": {
      "cpuSeconds": 0.0000985,
      "kept": 1,
      "bytesOut": 7460
    },
    "tokenizer": {
      "cpuSeconds": 0.000923,
      "kept": 1,
      "bytesOut": 7460
    },
    "shards": {
      "cpuSeconds": 0.000455,
      "kept": 1,
      "bytesOut": 7460,
      "tokens": 1810
    },
    "opt-out": {
      "cpuSeconds": 0.000123,
      "kept": 0.998,
      "bytesOut": 148000
    },
    "line-cleaner": {
      "cpuSeconds": 0.000583,
      "kept": 0.993,
      "bytesOut": 7470
    },
    "url-dedup": {
      "cpuSeconds": 0.000604,
      "kept": 0.956,
      "bytesOut": 7450,
      "scratch": 115
    },
    "exact-dedup": {
      "cpuSeconds": 0.000502,
      "kept": 1,
      "bytesOut": 7450,
      "scratch": 107
    },
    "line-dedup": {
      "cpuSeconds": 0.000896,
      "kept": 1,
      "bytesOut": 7440,
      "scratch": 835
    }
  },
  "disk": {
    "passage": 3310,
    "documents": 3010,
    "decisions": 79.8,
    "measures": 189,
    "counts": 1700,
    "shards": 3680
  }
} as const;
