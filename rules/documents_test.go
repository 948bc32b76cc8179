package rules

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// printed is a number, or the word for a dynamic port, that a document prints on a line.
type printed struct {
	line   int
	port   int    // 0: a dynamic port
	proto  string // tcp or udp where the document says so beside the number or by the column, else ""
	phrase string
}

func (p printed) String() string { return fmt.Sprintf("line %d, %q (%s)", p.line, p.phrase, p.proto) }

// What is a number on the page and no port, by its form alone.
var notPorts = []*regexp.Regexp{
	regexp.MustCompile(`<[^>]*>`),                                          // markup
	regexp.MustCompile(`\d+\.\d+\.\d+\.\d+(/\d+)?`),                        // addresses and prefixes
	regexp.MustCompile(`\d{4}-\d{2}-\d{2}|\d{2}/\d{2}/\d{4}`),              // dates
	regexp.MustCompile(`\d+\.\d+`),                                         // versions
	regexp.MustCompile(`\d+%`),                                             // widths
	regexp.MustCompile(`(?i)(note|remarque)s? \d`),                         // references to notes
	regexp.MustCompile(`(System Center|Lync Server)[ \x{a0}]20\d\d( R2)?`), // product names
	regexp.MustCompile(`^\d+\. `),                                          // numbered headings
	regexp.MustCompile(`[\pL_][\pL_\d]*\d[\pL_\d]*`),                       // digits inside words
	regexp.MustCompile(`\d+_\d+`),
}

var (
	withProto   = regexp.MustCompile(`\b(TCP|UDP)[ /](\d+)`)
	number      = regexp.MustCompile(`\d+`)
	dynamicWord = regexp.MustCompile(`^DYNAMIQUE|Ports TCP RPC dynamiques`)
	blank       = func(s string) string { return strings.Repeat(" ", len(s)) }
)

// printedPorts finds every number of a document that its form does not rule out, knowing nothing of the packs.
func printedPorts(text string) []printed {
	var found []printed
	columns := tableColumns(strings.Split(text, "\n"))
	matter := false
	for i, line := range strings.Split(text, "\n") {
		if strings.Trim(line, " \ufeff\r") == "---" && (matter || i == 0) {
			matter = !matter
			continue
		}
		if matter {
			continue
		}
		beside := map[string]string{}
		for _, m := range withProto.FindAllStringSubmatch(line, -1) {
			beside[m[2]] = strings.ToLower(m[1])
		}
		if dynamicWord.MatchString(line) {
			found = append(found, printed{i + 1, 0, columns[i], "dynamic"})
		}
		for _, form := range notPorts {
			line = form.ReplaceAllStringFunc(line, blank)
		}
		for _, digits := range number.FindAllString(line, -1) {
			n, _ := strconv.Atoi(digits)
			proto := beside[digits]
			if proto == "" {
				proto = columns[i]
			}
			found = append(found, printed{i + 1, n, proto, digits})
		}
	}
	return found
}

// tableColumns gives the protocol of each line that is a cell of a table laid out one cell a line: description, UDP, TCP.
func tableColumns(lines []string) map[int]string {
	columns := map[int]string{}
	cell := -1
	for i, line := range lines {
		isCell := strings.HasSuffix(strings.TrimRight(line, " "), "|")
		switch {
		case strings.TrimSpace(line) == "TCP |":
			cell = 0
		case strings.HasPrefix(line, "---|"):
		case cell < 0 || !isCell && cell != 2:
			cell = -1
		default:
			columns[i] = []string{"", "udp", "tcp"}[cell]
			cell = (cell + 1) % 3
		}
	}
	return columns
}

// states says whether a flow gives a printed port: among its responder ports, the ends of their ranges, or its fixed source ports.
func states(f *Flow, p printed) bool {
	if p.proto != "" && f.Proto != p.proto {
		return false
	}
	if p.port == 0 {
		return slices.Contains(f.Ports, "dynamic")
	}
	for _, entry := range append(slices.Clone(f.Ports), f.SourcePorts) {
		if slices.Contains(strings.Split(entry, "-"), strconv.Itoa(p.port)) {
			return true
		}
	}
	return false
}

func cites(f *Flow, line int) bool {
	return slices.ContainsFunc(f.Cite, func(c Cite) bool {
		first, last, ok := strings.Cut(c.Lines, "-")
		if !ok {
			last = first
		}
		low, _ := strconv.Atoi(first)
		high, _ := strconv.Atoi(last)
		return low <= line && line <= high
	})
}

// misplaced are cells that stand in the wrong column: HTTP is TCP, and the row's TCP cell is empty.
var misplaced = map[string]int{"004_e1193c574d545350.txt": 110}

// exempt reads the lines "LINE PORT reason" of an exemption list.
func exempt(t *testing.T, file string) map[[2]int]bool {
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	list := map[[2]int]bool{}
	for line := range strings.Lines(string(data)) {
		fields := strings.Fields(line)
		if len(fields) == 0 || fields[0] == "#" {
			continue
		}
		at, err1 := strconv.Atoi(fields[0])
		port, err2 := strconv.Atoi(fields[1])
		if err1 != nil || err2 != nil || len(fields) < 3 {
			t.Fatalf("%s: %q is not LINE PORT reason", file, line)
		}
		list[[2]int{at, port}] = true
	}
	return list
}

// Every port that a vendor's document prints is stated by a flow that cites its line, or exempted with a reason; and no flow states a port that its cited lines do not print.
func TestDocumentsCovered(t *testing.T) {
	documents, _ := filepath.Glob("../../shared/seeds/*.txt")
	if len(documents) == 0 {
		t.Skip("the vendors' documents are not at ../../shared/seeds")
	}
	vendor := 0
	for _, b := range Builtin() {
		if b.Kind != Vendor {
			continue
		}
		p := mustPack(t, b.Name)
		for _, d := range p.Documents {
			vendor++
			t.Run(d.File, func(t *testing.T) { testDocument(t, p, d) })
		}
	}
	if vendor != len(documents) {
		t.Errorf("%d documents, %d cited by packs", len(documents), vendor)
	}
}

func testDocument(t *testing.T, p *Pack, d Document) {
	data, err := os.ReadFile(filepath.Join("../../shared/seeds", d.File))
	if err != nil {
		t.Fatal(err)
	}
	left := exempt(t, "testdata/uncited_ports_"+d.File[:3]+".txt")
	ports := printedPorts(string(data))
	if len(ports) < 10 {
		t.Errorf("only %d ports found", len(ports))
	}
	for _, at := range ports {
		if misplaced[d.File] == at.line {
			at.proto = ""
		}
		key := [2]int{at.line, at.port}
		covered := slices.ContainsFunc(p.Flows, func(f *Flow) bool { return cites(f, at.line) && states(f, at) })
		switch _, listed := left[key]; {
		case covered && listed:
			t.Errorf("%s is exempted and covered", at)
		case !covered && !listed:
			t.Errorf("%s: no flow cites the line and states the port", at)
		}
		if !covered {
			left[key] = false
		}
	}
	for key, unused := range left {
		if unused {
			t.Errorf("line %d, port %d is exempted and not printed", key[0], key[1])
		}
	}
	for _, f := range p.Flows {
		testInvented(t, f, ports, strings.Count(string(data), "\n")+1)
	}
}

// testInvented reports ports of a flow that no cited line prints, and citations beyond the end.
func testInvented(t *testing.T, f *Flow, ports []printed, lines int) {
	for _, c := range f.Cite {
		first, last, _ := strings.Cut(c.Lines, "-")
		for _, n := range []string{first, last} {
			if line, err := strconv.Atoi(n); err == nil && line > lines {
				t.Errorf("%s cites line %d of %d", f.Ref(), line, lines)
			}
		}
	}
	for _, entry := range f.Ports {
		for _, digits := range number.FindAllString(entry, -1) {
			n, _ := strconv.Atoi(digits)
			if !slices.ContainsFunc(ports, func(p printed) bool { return p.port == n && cites(f, p.line) }) {
				t.Errorf("%s: no cited line prints port %d", f.Ref(), n)
			}
		}
	}
}

// The finder finds what the documents' notations print, and only that.
func TestPrintedPorts(t *testing.T) {
	for text, want := range map[string]string{
		"---\ndate: 8080\n---\nTCP 9876 :": `[line 4, "9876" (tcp)]`,
		"- host0901 [10.2.118.12] 8087":    `[line 1, "8087" ()]`,
		"MTLS/TCP/50001":                   `[line 1, "50001" (tcp)]`,
		"Description |\nUDP |\nTCP |\n---|---|---|\nx |\n-- |\n80 ou 8530 (Voir la remarque 3, y) |": `[line 7, "80" (tcp) line 7, "8530" (tcp)]`,
		"UDP |\nTCP |\nx |\n63000-64000 |\n-- |":                                                     `[line 4, "63000" (udp) line 4, "64000" (udp)]`,
		"UDP |\nTCP |\nRPC |\n-- |\nDYNAMIQUE (voir la note 6) |":                                    `[line 5, "dynamic" (tcp)]`,
		"Lync Server 2013, 05/20/2016, 11.5, x86_64, 25%":                                            `[]`,
	} {
		if got := fmt.Sprint(printedPorts(text)); got != want {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
}
