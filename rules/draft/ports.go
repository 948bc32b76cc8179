package draft

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxPorts bounds the ports of one cell.
const maxPorts = 64

// group are ports of one cell that share their protocols.
type group struct {
	protos       []string // none where the cell prints no transport
	ports        []string // as a pack writes them
	alternatives bool     // one of the ports is used
}

// printedPorts is what a cell of ports says.
type printedPorts struct {
	groups       []group
	choice       bool     // one of the groups or protocols is used, and nothing says which
	labels       []string // services named beside the ports, folded
	remark       string   // in parentheses: notes and the like
	configurable bool     // called a default
}

var (
	footnotes  = regexp.MustCompile(`\[\^[^\]]*\]|\[[0-9a-z]\]`)
	starred    = regexp.MustCompile(`([0-9])\s*\*+`)
	references = regexp.MustCompile(`(?i)\b(notes?|remarques?|remarks?|footnotes?|see|voir|rfc|tls|ssl|smb|http|version|v|table|tableau|section|step|etape)\s*[0-9]+(\.[0-9]+)*`)
	lexemes    = regexp.MustCompile(`[0-9]+|\p{L}[\p{L}0-9'’]*|\s+|.`)
)

// parsePorts reads a cell of ports; why says what of it is not understood.
func parsePorts(cell string) (p printedPorts, why string) {
	if len(cell) > maxCellText {
		return p, "the cell is too long for ports"
	}
	if strings.TrimSpace(cell) == "*" {
		cell = "any"
	}
	cell = starred.ReplaceAllString(footnotes.ReplaceAllString(plain(cell), " "), "$1")
	outside, asides, ok := splitParentheses(cell)
	if !ok {
		return p, "parentheses that do not match"
	}
	text := outside[0]
	for i, inside := range asides {
		inline, why := p.aside(inside, strings.Join(outside, " "))
		if why != "" {
			return p, why
		}
		text += inline + outside[i+1]
	}
	tokens, why := p.lex(text)
	if why != "" {
		return p, why
	}
	return p, p.gather(tokens)
}

// splitParentheses cuts a text at its outer parentheses: the pieces outside, one more than those inside.
func splitParentheses(s string) (outside, inside []string, ok bool) {
	depth, from := 0, 0
	for i := range len(s) {
		switch s[i] {
		case '(':
			if depth++; depth == 1 {
				outside, from = append(outside, s[from:i]), i+1
			}
		case ')':
			if depth--; depth == 0 {
				inside, from = append(inside, s[from:i]), i+1
			}
			if depth < 0 {
				return nil, nil, false
			}
		}
	}
	return append(outside, s[from:]), inside, depth == 0
}

// aside reads what stands in parentheses: transports and the ranges of dynamic ports belong to the cell; services are labels; the rest is a remark, if it has no numbers.
func (p *printedPorts) aside(inside, outside string) (inline, why string) {
	words := fold(inside)
	all := true
	for _, word := range strings.FieldsFunc(words, func(r rune) bool { return strings.ContainsRune(" ,/&+", r) }) {
		all = all && (transports[word] != "" || slices.Contains([]string{"and", "et", "or", "ou", "only", "uniquement", "seulement"}, word))
	}
	switch {
	case words == "":
		return " ", ""
	case slices.Equal(strings.Fields(words), []string{"default"}) || words == "par defaut" || words == "by default":
		p.configurable = true
		return " ", ""
	case all:
		return ", " + strings.NewReplacer("only", "", "uniquement", "", "seulement", "").Replace(words) + ", ", ""
	case strings.ContainsFunc(references.ReplaceAllString(inside, ""), unicode.IsDigit):
		if inner, bad := parsePorts(strings.NewReplacer("(", "", ")", "").Replace(inside)); bad == "" && strings.ContainsAny(inside, "-–:") && isDynamicWord(strings.Fields(fold(outside))) && len(inner.groups) == 1 {
			return ", " + inside + ", ", ""
		}
		return "", fmt.Sprintf("numbers in parentheses: %q", clean(inside, 60))
	}
	if isLabel(words, inside) {
		p.labels = append(p.labels, words)
		return " ", ""
	}
	p.remark = strings.TrimPrefix(p.remark+"; "+clean(inside, 200), "; ")
	return " ", ""
}

func isDynamicWord(words []string) bool {
	return slices.ContainsFunc(words, func(w string) bool { return slices.Contains(dynamicWords, w) })
}

var (
	dynamicWords = []string{"dynamic", "dynamique", "dynamiques", "ephemeral", "ephemere", "ephemeres"}
	allWords     = []string{"any", "all", "tous", "toutes", "tout"}
	rangeWords   = []string{"to", "a", "through", "thru", "bis", "jusqu'a"}
	noiseWords   = []string{"port", "ports", "from", "de", "du", "number", "numero", "range", "plage"}
	defaultWords = []string{"default", "defaut", "par", "by"}
)

// isLabel is true for what may stand beside a port as the name of its service: a known name or an abbreviation in capitals.
func isLabel(folded, printed string) bool {
	if slices.Contains(negations, folded) || slices.Contains(dynamicWords, folded) || strings.ContainsAny(folded, " ") {
		return false
	}
	if slices.Contains(services, folded) || only[folded] != "" || ciphers[folded] != "" {
		return true
	}
	printed = strings.TrimSpace(printed)
	return utf8.RuneCountInString(printed) >= 2 && strings.ToUpper(printed) == printed && unicode.IsLetter(rune(printed[0]))
}

type tokenKind uint8

const (
	portToken tokenKind = iota
	transportToken
	andToken
	orToken
	commaToken
)

type token struct {
	kind tokenKind
	text string
}

// lex cuts a cell into ports, transports and what joins them; why names the first thing that is none of them.
func (p *printedPorts) lex(text string) (tokens []token, why string) {
	parts := lexemes.FindAllString(strings.ReplaceAll(text, "\n", ","), -1)
	parts = slices.DeleteFunc(parts, func(s string) bool { return strings.TrimSpace(s) == "" })
	for i := 0; i < len(parts); i++ {
		part := parts[i]
		word := fold(part)
		c := part[0]
		switch {
		case c >= '0' && c <= '9':
			used, port, bad := rangeAt(parts[i:])
			if bad != "" {
				return nil, bad
			}
			if n := len(tokens); n > 0 && tokens[n-1].kind == portToken {
				return nil, fmt.Sprintf("nothing stands between %q and %q", tokens[n-1].text, port)
			}
			tokens = append(tokens, token{portToken, port})
			i += used - 1
		case transports[word] != "":
			tokens = append(tokens, token{transportToken, transports[word]})
		case part == "+" && i == len(parts)-1:
			return nil, "a plus behind the last port"
		case word == "and" || word == "et" || part == "&" || part == "+":
			tokens = append(tokens, token{kind: andToken})
		case word == "or" || word == "ou":
			tokens = append(tokens, token{kind: orToken})
		case strings.Contains(",;/:|-–—", part):
			tokens = append(tokens, token{kind: commaToken})
		case part == "*" || slices.Contains(allWords, word):
			tokens = append(tokens, token{portToken, "any"})
		case slices.Contains(dynamicWords, word):
			tokens = append(tokens, token{portToken, "dynamic"})
		case slices.Contains(noiseWords, word) || part == "." && i == len(parts)-1:
		case slices.Contains(defaultWords, word):
			p.configurable = true
		case isLabel(word, part):
			p.labels = append(p.labels, word)
		default:
			return nil, fmt.Sprintf("the word %q", clean(part, 40))
		}
	}
	return tokens, ""
}

// rangeAt reads the port or range that the parts begin with.
func rangeAt(parts []string) (used int, port, why string) {
	if len(parts) >= 3 && (strings.Contains("-–—:", parts[1]) || slices.Contains(rangeWords, fold(parts[1]))) && isNumber(parts[2]) {
		first, last := portNumber(parts[0]), portNumber(parts[2])
		switch {
		case parts[0] == "0" && last == 65535, first == 1 && last == 65535:
			return 3, "any", ""
		case first == 0 || last == 0 || last < first:
			return 0, "", fmt.Sprintf("%s-%s is no range of ports", clean(parts[0], 20), clean(parts[2], 20))
		case first == last:
			return 3, parts[0], ""
		}
		return 3, parts[0] + "-" + parts[2], ""
	}
	if portNumber(parts[0]) == 0 {
		return 0, "", fmt.Sprintf("%s is no port", clean(parts[0], 20))
	}
	return 1, parts[0], ""
}

func isNumber(s string) bool { return s != "" && s[0] >= '0' && s[0] <= '9' }

// portNumber is a port as a pack writes it, 0 where the digits are none.
func portNumber(digits string) int {
	n, err := strconv.Atoi(digits)
	if err != nil || n > 65535 || digits[0] == '0' {
		return 0
	}
	return n
}

// gather makes groups of tokens: transports stand before their ports, or behind them, throughout a cell.
func (p *printedPorts) gather(tokens []token) (why string) {
	behind := false
	if i := slices.IndexFunc(tokens, func(t token) bool { return t.kind <= transportToken }); i < 0 {
		return "no port"
	} else if tokens[i].kind == portToken {
		behind = slices.ContainsFunc(tokens, func(t token) bool { return t.kind == transportToken })
	}
	var and, or bool
	g := group{}
	last := commaToken // kind of the last port or transport
	joint := commaToken
	for _, t := range tokens {
		switch t.kind {
		case andToken, orToken:
			joint = t.kind
			continue
		case commaToken:
			continue
		}
		opens := last != commaToken && t.kind != last && (t.kind == portToken) == behind
		switch {
		case opens:
			p.close(g, and, or)
			g, and, or = group{}, false, false
			p.choice = p.choice || joint == orToken
		case t.kind == portToken && len(g.ports) > 0:
			and, or = and || joint == andToken, or || joint == orToken
		case t.kind == transportToken && len(g.protos) > 0:
			p.choice = p.choice || joint == orToken
		}
		if t.kind == portToken && !slices.Contains(g.ports, t.text) {
			g.ports = append(g.ports, t.text)
		} else if t.kind == transportToken && !slices.Contains(g.protos, t.text) {
			g.protos = append(g.protos, t.text)
		}
		if and && or {
			return `"and" as well as "or" between ports`
		}
		last, joint = t.kind, commaToken
	}
	p.close(g, and, or)
	return p.check()
}

func (p *printedPorts) close(g group, and, or bool) {
	if i := slices.Index(g.ports, "dynamic"); i >= 0 && len(g.ports) > 1 && slices.ContainsFunc(g.ports, func(s string) bool { return strings.Contains(s, "-") }) {
		g.ports = slices.Delete(g.ports, i, i+1) // the range is printed with it
	}
	g.alternatives = or && len(g.ports) > 1
	p.groups = append(p.groups, g)
}

// check says what no group may be.
func (p *printedPorts) check() (why string) {
	for _, g := range p.groups {
		free := len(g.protos) > 0 && !slices.ContainsFunc(g.protos, func(s string) bool { return !slices.Contains(portless, s) })
		mixed := slices.ContainsFunc(g.protos, func(s string) bool { return slices.Contains(portless, s) })
		switch {
		case len(g.ports) > maxPorts:
			return "too many ports"
		case slices.Contains(g.ports, "any") && len(g.ports) > 1:
			return "all ports and others"
		case free != (len(g.ports) == 0) || mixed && !free:
			return "transports and ports that do not belong together"
		case len(p.groups) > 1 && len(g.protos) == 0:
			return "ports without a transport beside ports with one"
		}
	}
	return ""
}
