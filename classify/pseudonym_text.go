package classify

import (
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"pcapaudit/capture/flow"
)

// text replaces the names and addresses in a sentence: those that were replaced elsewhere in the audit, the longest first, and every word that is none of v and no number.
// A word that also names a host stays only where a sentence of this program has it between the same words.
func (r *replacer) text(s string, v *vocabulary) string {
	var out strings.Builder
	var c context
	for s != "" {
		n := r.start(s)
		out.WriteString(s[:n])
		if s = s[n:]; s == "" {
			break
		}
		name, phrase := r.known(s), v.phrase(s)
		switch {
		case len(phrase) > 0 && len(phrase) >= len(name):
			out.WriteString(phrase)
			s = s[len(phrase):]
			c = c.then(phrase)
			continue
		case name != "" && !(name == firstWord(s) && v.means(c, name, nextWord(s[len(name):]))):
			out.WriteString(r.names[name])
			s = s[len(name):]
			c = c.then("")
			continue
		}
		word := firstWord(s)
		s = s[len(word):]
		to := word
		if name == "" && !v.has(c, word, nextWord(s)) {
			to = r.word(word)
		}
		out.WriteString(to)
		c = c.then(word)
	}
	return out.String()
}

// context is the words before one: the last, and the one before it. "" is none of this program's.
type context struct{ before, last string }

func (c context) then(word string) context { return context{c.last, strings.ToLower(word)} }

// known is the longest name that s begins with and that ends there.
func (r *replacer) known(s string) string {
	for _, n := range r.lengths {
		if n <= len(s) {
			if _, ok := r.names[s[:n]]; ok && ends(s[n:]) {
				return s[:n]
			}
		}
	}
	return ""
}

// ends says whether a name may end in front of s.
func ends(s string) bool {
	first, size := utf8.DecodeRuneInString(s)
	if strings.ContainsRune("./@\\*:", first) {
		first, _ = utf8.DecodeRuneInString(s[size:])
		return s[0] == ':' || !continues(first)
	}
	return size == 0 || !continues(first)
}

func continues(c rune) bool {
	return c != utf8.RuneError && (unicode.IsLetter(c) || unicode.IsDigit(c) || c == '-' || c == '_' || c == '*')
}

// start is where the first word of s begins, or the first name, which may begin with anything.
func (r *replacer) start(s string) int {
	n := separators(s)
	for i := range s[:n] {
		if s[i] != ' ' && r.known(s[i:]) != "" {
			return i
		}
	}
	return n
}

const punctuation = ",.;:!?()[]{}<>\"'"

// separators is how many bytes of s stand in front of its first word.
func separators(s string) int {
	for i, c := range s {
		if !unicode.IsSpace(c) && !strings.ContainsRune(punctuation, c) || strings.HasPrefix(s[i:], "::") {
			return i
		}
	}
	return len(s)
}

// firstWord is what s begins with, up to a space or a bracket, without punctuation behind it.
func firstWord(s string) string {
	end := strings.IndexFunc(s, func(c rune) bool { return unicode.IsSpace(c) || strings.ContainsRune("()[]{}<>\"", c) })
	if end < 0 {
		end = len(s)
	}
	word := s[:end]
	for len(word) > 1 && strings.ContainsRune(punctuation, rune(word[len(word)-1])) && !strings.HasSuffix(word, "::") {
		word = word[:len(word)-1]
	}
	return word
}

func nextWord(s string) string {
	if s = s[separators(s):]; s == "" {
		return ""
	}
	return strings.ToLower(firstWord(s))
}

var (
	addressForm = regexp.MustCompile(`[0-9A-Fa-f]*(?:[.:]+[0-9A-Fa-f]+)+(?:::)?(?:/[0-9]+)?|::`)
	numberForm  = regexp.MustCompile(`^[-+±~]?[0-9][0-9.,:%/x+-]*(?:[nµm]?s|Z|[KMG]iB)?$`)
	timeForm    = regexp.MustCompile(`^[0-9]{4}-[0-9]{2}-[0-9]{2}(?:T[0-9:.]+Z?)?$`)
	symbolForm  = regexp.MustCompile(`^[^\pL\pN]+$`)
	serviceForm = regexp.MustCompile(`^([a-z0-9-]+)/[0-9][0-9,-]*$`)
	macForm     = regexp.MustCompile(`^(?:[0-9A-Fa-f]{2}[:-]){5}[0-9A-Fa-f]{2}$`)
)

// word replaces a word of a sentence that is none of this program's: addresses stay addresses, numbers numbers.
func (r *replacer) word(w string) string {
	replaced := false
	left := addressForm.ReplaceAllStringFunc(w, func(s string) string {
		to, ok := mapAddress(s, r.p.Address)
		replaced = replaced || ok
		if ok {
			return strings.Repeat(" ", len(to))
		}
		return s
	})
	switch {
	case replaced && strings.Trim(left, " -,/|[]()=:.;0123456789") == "":
		return addressForm.ReplaceAllStringFunc(w, func(s string) string {
			to, _ := mapAddress(s, r.p.Address)
			return to
		})
	case macForm.MatchString(w):
	case numberForm.MatchString(w) && !isAddress(w), timeForm.MatchString(w), symbolForm.MatchString(w), isService(w), IsToken(w):
		return w
	}
	return r.name(w)
}

func isAddress(s string) bool {
	_, err := netip.ParseAddr(s)
	return err == nil
}

// protocols are the words before the slash of "tcp/443".
var protocolWords = func() map[string]bool {
	words := map[string]bool{"port": true, "any": true, "icmp": true}
	for n := range 256 {
		words[flow.Proto(n).String()] = true
	}
	return words
}()

func isService(w string) bool {
	m := serviceForm.FindStringSubmatch(w)
	return protocolWords[w] || m != nil && protocolWords[m[1]]
}

// filterVocabulary is the language of capture filters (pcap-filter(7)), without the words that a name has to follow.
var filterVocabulary = func() *vocabulary {
	v := newVocabulary()
	for _, w := range strings.Fields(`host net port portrange src dst and or not tcp udp sctp icmp icmp6 ip ip6 arp rarp vlan mpls ether proto protochain broadcast multicast
		less greater len mask inbound outbound tcpflags tcp-syn tcp-ack tcp-fin tcp-rst`) {
		v.words[w] = true
	}
	return v
}()

// vocabulary is words that tell nothing about a site.
type vocabulary struct {
	pairs   map[string]bool  // "word word" as sentences of this program have them; "^ word" at the beginning of a piece between names, "word $" at its end
	words   map[string]bool  // anywhere
	roles   map[string]bool  // of words, those that name roles of packs
	phrases map[string]bool  // of several words, or qualified
	hashes  map[string]bool  // of packs
	starts  map[string][]int // lengths of phrases by their first word, longest first
}

func newVocabulary() *vocabulary {
	return &vocabulary{pairs: map[string]bool{}, words: map[string]bool{}, roles: map[string]bool{}, phrases: map[string]bool{}, hashes: map[string]bool{}, starts: map[string][]int{}}
}

// phrase is the longest that s begins with.
func (v *vocabulary) phrase(s string) string {
	for _, n := range v.starts[firstWord(s)] {
		if n <= len(s) && v.phrases[s[:n]] && ends(s[n:]) {
			return s[:n]
		}
	}
	return ""
}

// has says whether a word that names nothing known tells nothing about a site.
func (v *vocabulary) has(c context, word, next string) bool {
	w := strings.ToLower(word)
	one, plural := strings.CutSuffix(w, "s")
	return v.words[w] || v.pairs[w+" $"] || v.pairs["^ "+w] || v.pairs[c.last+" "+w] || v.pairs[w+" "+next] || plural && v.pairs[one+" $"]
}

// means says whether a word is meant as this program's although something of the site is called so.
func (v *vocabulary) means(c context, word, next string) bool {
	w := strings.ToLower(word)
	before, behind := v.pairs[c.last+" "+w], v.pairs[w+" "+next]
	switch {
	case before && (behind || v.pairs[w+" $"]), v.pairs["^ "+w] && behind:
		return true
	case v.roles[w]: // "a console", "lets console open to site-server", "from agent to console", "the networks of H and of console"
		return slices.Contains([]string{"a", "an", "lets", "from", "holds"}, c.last) || c.last == "to" && (c.before == "open" || v.roles[c.before]) || c == context{"and", "of"}
	}
	return false
}
