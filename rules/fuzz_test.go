package rules

import (
	"bytes"
	"encoding/json"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pcapaudit/capture/flow"
)

func seed(f *testing.F, pattern string) {
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		f.Fatalf("nothing matches %s (%v)", pattern, err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
}

// A pack either has an error or compiles, matches and survives its own JSON.
func FuzzPack(f *testing.F) {
	seed(f, "testdata/packs/*.yaml")
	f.Add([]byte(demoPack))
	f.Fuzz(func(t *testing.T, data []byte) {
		p, problems := LoadPackBytes("p", data)
		if (p == nil) != Failed(problems) {
			t.Fatalf("pack %v with problems %v", p, problems)
		}
		if p == nil || p.Kind == Local {
			return
		}
		set, problems := Compile([]*Pack{p}, nil)
		if set == nil {
			t.Fatalf("a loaded pack does not compile: %v", problems)
		}
		exercise(set)
		text, err := p.JSON()
		if err != nil {
			t.Fatal(err)
		}
		var back Pack
		if err := json.NewDecoder(bytes.NewReader(text)).Decode(&back); err != nil || len(back.Flows) != len(p.Flows) {
			t.Fatalf("JSON: %v", err)
		}
	})
}

// A site either has an error or compiles with packs or names what does not fit them.
func FuzzSite(f *testing.F) {
	seed(f, "testdata/sites/*.yaml")
	f.Add([]byte(demoSite))
	demo, problems := LoadPackBytes("demo.yaml", []byte(demoPack))
	if demo == nil {
		f.Fatal(problems)
	}
	packs := []*Pack{demo, mustPack(f, "acronis-abr-11.5")}
	f.Fuzz(func(t *testing.T, data []byte) {
		site, problems := LoadSiteBytes("s", data)
		if (site == nil) != Failed(problems) {
			t.Fatalf("site %v with problems %v", site, problems)
		}
		if site == nil {
			return
		}
		set, problems := Compile(packs, site)
		if (set == nil) != Failed(problems) {
			t.Fatalf("set %v with problems %v", set, problems)
		}
		if set != nil {
			exercise(set)
		}
	})
}

// exercise asks a set everything once.
func exercise(s *Set) {
	ends := []netip.Addr{{}, addr("0.0.0.0"), addr("10.1.0.1"), addr("203.0.113.9"), addr("fd00:1::2"), addr("255.255.255.255"), addr("ff02::1")}
	for _, a := range ends {
		for _, b := range ends {
			orig := End{a, s.Lookup(a, 0)}
			of, port := s.Responder(netip.AddrPortFrom(b, 443), 0)
			resp := End{b, of}
			for _, proto := range []flow.Proto{flow.TCP, flow.UDP, flow.ICMPv6, flow.GRE} {
				s.Candidates(orig.Of, resp.Of, proto, port, 128)
				s.Exception(orig, resp, proto, port, 0)
				s.Background(orig, resp, proto, port)
			}
			s.Joining(orig.Of, resp.Of)
			s.Sees(a, b)
		}
	}
	for _, p := range s.Packs {
		for _, f := range p.Flows {
			s.Condition(f, 0)
			s.AllowedAt(f, 0)
			s.SourcePorts(nil, f)
			s.PortsOf(f, nil)
			s.Unencrypted(f)
			s.AcceptsDynamic(f)
			s.Expected(f, nil)
			for _, role := range append(f.FromRoles(), f.ToRoles()...) {
				s.HostsOf(role)
				s.Bound(role)
			}
		}
	}
	s.ByService(flow.TCP, 443, 0)
	exerciseNames(s, ends)
}

// exerciseNames asks for every name of packs and site at every end.
func exerciseNames(s *Set, ends []netip.Addr) {
	var names []string
	for _, p := range s.Packs {
		for _, r := range p.Roles {
			names = append(names, r.Names...)
		}
	}
	if s.Site != nil {
		for _, h := range s.Site.Hosts {
			names = append(names, h.Names...)
		}
	}
	before := (*Meaning)(nil)
	for _, name := range names {
		m := s.ByName(strings.ToLower(strings.Replace(name, "*", "a.b", 1)))
		if m == nil {
			panic(name + " means nothing")
		}
		if before != nil {
			m = s.Together(before, m)
		}
		before = m
		m.Stated()
		for _, a := range ends {
			m.Documents(a)
			s.Candidates(s.Lookup(a, 0), s.Named(s.Lookup(a, 0), m), flow.TCP, 443, 0)
		}
	}
}
