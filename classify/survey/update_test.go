package survey

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pcapaudit/rules"
)

// updated is what an update of a site proposes after a fleet of three agents was seen.
func updated(t testing.TB, text string) (*Patch, error) {
	t.Helper()
	site, problems := rules.LoadSiteBytes("site.yaml", []byte(text))
	if rules.Failed(problems) {
		t.Fatal(problems)
	}
	s := &seen{Survey: New(compiled(t, site, "acronis-abr-11.5")), port: 50000}
	s.fleet(3)
	return s.Update("site.yaml", []byte(text))
}

// apply is patch(1): it takes the lines that a unified diff removes, and only those, and puts in the others.
func apply(old, diff string) (string, error) {
	lines := slices.Collect(strings.Lines(old))
	var out strings.Builder
	at := 0
	var hunk []string
	for l := range strings.Lines(diff) {
		if strings.HasPrefix(l, `\`) {
			hunk[len(hunk)-1] = strings.TrimSuffix(hunk[len(hunk)-1], "\n")
			continue
		}
		hunk = append(hunk, l)
	}
	for _, l := range hunk[2:] {
		switch l[0] {
		case '@':
			var first, n int
			if _, err := fmt.Sscanf(l, "@@ -%d,%d ", &first, &n); err != nil {
				return "", err
			}
			if n > 0 {
				first--
			}
			for ; at < first; at++ {
				out.WriteString(lines[at])
			}
		case '+':
			out.WriteString(l[1:])
		default:
			if at >= len(lines) || lines[at] != l[1:] {
				return "", fmt.Errorf("line %d is not %q", at+1, l)
			}
			if at++; l[0] == ' ' {
				out.WriteString(l[1:])
			}
		}
	}
	for ; at < len(lines); at++ {
		out.WriteString(lines[at])
	}
	return out.String(), nil
}

func TestUpdate(t *testing.T) {
	const flowStyle = `# Mine.
networks: [10.1.0.0/24] # our own
hosts:
  - {name: ams, addresses: [10.1.0.10], roles: [acronis-abr-11.5/management-server]} # the server
  - {name: first, addresses: [10.1.1.1], os: windows}
# the end
exceptions: []
`
	const blockStyle = `hosts:
- name: ams
  addresses:
  - 10.1.0.10
  roles: # of the server
  - acronis-abr-11.5/management-server
- name: first
  addresses: [10.1.1.1]
  roles:
    - acronis-abr-11.5/agent # since May

  # and no more
conditions:
    - name: acronis-abr-11.5/license-server-used
      state: "off"`
	for _, c := range []struct {
		name, text string
		want       []string // of the result
		gone       []string // lines that change
	}{
		{"flow style", flowStyle, []string{"networks: [10.1.0.0/24, 10.1.1.0/24] # our own\n", "roles: [acronis-abr-11.5/management-server]} # the server\n", `  - name: "host-10.1.0.20"`,
			"conditions:\n", "managed-vaults-used, state: \"on\"", "# Mine.\n", "# the end\n"}, []string{"networks: ", "  - {name: first"}},
		{"block style", blockStyle, []string{"  - acronis-abr-11.5/management-server\n- name: first", "    - acronis-abr-11.5/agent # since May\n    # acronis-abr-11.5/agent-vsphere: ", "    - acronis-abr-11.5/agent-vsphere\n",
			"- name: \"host-10.1.0.20\"\n  addresses: [10.1.0.20]", "    - {name: acronis-abr-11.5/managed-vaults-used, state: \"on\"}\n"}, []string{`      state: "off"`}},
		{"line breaks of Windows", strings.ReplaceAll(flowStyle, "\n", "\r\n"), []string{"networks: [10.1.0.0/24, 10.1.1.0/24] # our own\r\n", "managed-vaults-used, state: \"on\"}\r\n"}, []string{"networks: ", "  - {name: first"}},
	} {
		p, err := updated(t, c.text)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		got, err := apply(c.text, string(p.Text))
		if err != nil || got != string(p.New) {
			t.Errorf("%s: the patch does not apply: %v\n%s\ngives\n%s", c.name, err, p.Text, got)
		}
		for _, want := range c.want {
			if !strings.Contains(got, want) {
				t.Errorf("%s: no %q in\n%s", c.name, want, got)
			}
		}
		for line := range strings.Lines(c.text) {
			if !strings.Contains(got, line) && !slices.ContainsFunc(c.gone, func(g string) bool { return strings.HasPrefix(line, g) }) {
				t.Errorf("%s: %q is lost", c.name, line)
			}
		}
		if strings.Contains(c.text, "\r\n") && strings.Count(got, "\n") != strings.Count(got, "\r\n") {
			t.Errorf("%s: line breaks of two kinds", c.name)
		}
		if again, err := updated(t, got); err != nil || again.Text != nil {
			t.Errorf("%s: still new: %v\n%s", c.name, err, again.Text)
		}
		if len(p.Left) > 0 {
			t.Errorf("%s: left out: %v", c.name, p.Left)
		}
	}
}

// TestUpdateLeavesWhatItCannotWrite: a list of hosts in brackets stays as it is, and the patch says so.
func TestUpdateLeavesWhatItCannotWrite(t *testing.T) {
	p, err := updated(t, "hosts: [{name: ams, addresses: [10.1.0.10], roles: [acronis-abr-11.5/management-server]}]\nconditions: [{name: acronis-abr-11.5/managed-vaults-used, state: \"on\"}]\n")
	if err != nil || p.Text != nil || len(p.Left) != 1 || !strings.Contains(p.Left[0], "hosts: the list of hosts is not written one entry a line") {
		t.Errorf("%v, left %v:\n%s", err, p.Left, p.Text)
	}
}

// FuzzUpdate: whatever a site file looks like, a patch of it applies to it and gives a site file, and nothing of its text is lost but the lines that it changes.
func FuzzUpdate(f *testing.F) {
	f.Add([]byte("hosts:\n  - {name: a, addresses: [10.1.0.10]}\n"))
	f.Add([]byte("networks: ['10.1.0.0/24' , \"10.9.0.0/16\"]\nhosts:\n- name: a # x\n  addresses: [10.1.1.1]\n  roles: [acronis-abr-11.5/agent]"))
	f.Add([]byte("hosts:\r\n  - name: a\r\n    addresses:\r\n      - 10.1.0.20\r\nconditions: []\r\n"))
	f.Add([]byte("conditions:\n  - name: acronis-abr-11.5/license-server-used\n    state: \"on\"\nhosts:\n  -   name: a\n      addresses: [10.1.1.2]\n  # c\n"))
	f.Add([]byte("{hosts: [{name: a, addresses: [10.1.0.10]}]}"))
	pack, problems := rules.LoadPack("acronis-abr-11.5")
	if rules.Failed(problems) {
		f.Fatal(problems)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		site, problems := rules.LoadSiteBytes("site.yaml", text)
		if rules.Failed(problems) {
			return
		}
		set, problems := rules.Compile([]*rules.Pack{pack}, site)
		if rules.Failed(problems) {
			return
		}
		s := &seen{Survey: New(set), port: 50000}
		s.fleet(2)
		p, err := s.Update("site.yaml", text)
		if err != nil {
			t.Fatal(err)
		}
		if p.Text == nil {
			return
		}
		got, err := apply(string(text), string(p.Text))
		if err != nil || !bytes.Equal([]byte(got), p.New) {
			t.Errorf("the patch does not apply: %v\n%s", err, p.Text)
		}
	})
}
