package classify

import (
	_ "embed"
	"slices"
	"strings"
	"sync"

	"pcapaudit/rules"
)

// ownPairs is one pair of words a line, from the sentences of this program; see vocabulary. A test writes it and keeps it up to date.
//
//go:embed pseudonym_words.txt
var ownPairs string

// packWords are what packs and sites choose from.
var packWords = strings.Fields("required optional conditional unstated periodic once on-demand windows windows-pre-vista linux appliance")

// packVocabulary is the words of this program and of the embedded packs.
var packVocabulary = sync.OnceValue(func() *vocabulary {
	v := newVocabulary()
	for pair := range strings.Lines(ownPairs) {
		v.pairs[strings.TrimSuffix(pair, "\n")] = true
	}
	for _, w := range packWords {
		v.words[w] = true
	}
	for _, b := range rules.Builtin() {
		if p, _ := rules.LoadPack(b.Name); p != nil {
			v.pack(p)
		}
	}
	for phrase := range v.phrases {
		first := firstWord(phrase)
		v.starts[first] = append(v.starts[first], len(phrase))
	}
	for _, lengths := range v.starts {
		slices.Sort(lengths)
		slices.Reverse(lengths)
	}
	return v
})

// pack adds the words of an embedded pack.
func (v *vocabulary) pack(p *rules.Pack) {
	v.words[p.Name], v.hashes[p.SHA256] = true, true
	v.keep(p.Title, p.ProductVersion, p.Name+"/*")
	for _, d := range p.Documents {
		v.words[d.ID] = true
		v.keep(d.Title, d.File)
	}
	for _, r := range p.Roles {
		v.words[r.Name], v.roles[r.Name] = true, true
		v.keep(r.Title, p.Name+"/"+r.Name)
	}
	for _, c := range p.Conditions {
		v.words[c.Name] = true
		v.keep(c.Title, p.Name+"/"+c.Name)
	}
	for _, f := range p.Flows {
		v.words[f.ID] = true
		v.keep(f.Title, f.Ref())
		v.keep(cites(f)...)
	}
}

func (v *vocabulary) keep(list ...string) {
	for _, s := range list {
		if s != "" {
			v.phrases[s] = true
		}
	}
}
