#!/usr/bin/env node
console.log("curate", process.argv.slice(2));
