package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const announcedPack = `name: t
kind: local
title: T
roles: [{name: h, title: H}]
flows:
  - {id: rpc, title: T, from: [h], to: [h], proto: tcp, ports: ["1024-65535"], announced_by: rpc-endpoint-mapper, source_ports: any, occurrence: on-demand}
  - {id: ftp, title: T, from: [h], to: [h], proto: tcp, ports: ["1024-65535"], announced_by: ftp, source_ports: any, occurrence: on-demand}
`

// TestAnnouncedPorts holds the judgement of dynamic ports against tshark's word on what was announced and used: such connections are documented, and verified.
func TestAnnouncedPorts(t *testing.T) {
	const shared = "../../../shared/captures"
	lists, _ := filepath.Glob(filepath.Join(shared, "*.dyn.tsv"))
	if len(lists) == 0 {
		t.Skipf("no captures with announced ports in %s", shared)
	}
	checked := 0
	for _, list := range lists {
		used := announcedAndUsed(t, list)
		for _, l := range auditOfAll(t, strings.TrimSuffix(list, ".dyn.tsv")) {
			if !used[fmt.Sprintf("%s %d", l.Resp.IP, l.Resp.Port)] {
				continue
			}
			checked++
			if l.Verdict != "documented" || len(l.Unverified) > 0 {
				t.Errorf("%s: %s:%d is %s %v, unverified %v", filepath.Base(list), l.Resp.IP, l.Resp.Port, l.Verdict, l.Why, l.Unverified)
			}
		}
	}
	if checked < 8 {
		t.Errorf("%d connections to announced ports, want at least 8", checked)
	}
}

// announcedAndUsed are the ports "address port" that a list calls used. Its columns are named in the first line without #.
func announcedAndUsed(t *testing.T, path string) map[string]bool {
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	used := map[string]bool{}
	var columns map[string]int
	for l := range strings.Lines(string(text)) {
		fields := strings.Split(strings.TrimRight(l, "\r\n"), "\t")
		switch {
		case strings.HasPrefix(l, "#"):
		case columns == nil:
			columns = map[string]int{}
			for i, name := range fields {
				columns[name] = i
			}
		case fields[columns["used"]] == "yes":
			used[fields[columns["ip"]]+" "+fields[columns["port"]]] = true
		}
	}
	return used
}

// auditOfAll audits a capture with a site in which every address is a host of the one role.
func auditOfAll(t *testing.T, path string) []line {
	dir := t.TempDir()
	pack, site, list := filepath.Join(dir, "pack.yaml"), filepath.Join(dir, "site.yaml"), filepath.Join(dir, "list.json")
	hosts := map[string]bool{}
	text := "name: s\nhosts:\n"
	for _, l := range lines(t, output(t, exitClean, "connections", "--format", "json", path)) {
		for _, ip := range []string{l.Orig.IP, l.Resp.IP} {
			if !hosts[ip] && !strings.HasPrefix(ip, "ff") && !strings.HasPrefix(ip, "22") && ip != "255.255.255.255" && ip != "0.0.0.0" && ip != "::" {
				hosts[ip] = true
				text += fmt.Sprintf("  - {name: \"host %d\", addresses: [%q], roles: [t/h]}\n", len(hosts), ip)
			}
		}
	}
	for name, content := range map[string]string{pack: announcedPack, site: text} {
		if err := os.WriteFile(name, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	var out, errs bytes.Buffer
	if code := run([]string{"audit", "--rules", pack, "--site", site, "--no-baseline", "--hash", "none", "--connections", list, path}, nil, &out, &errs); code != exitClean && code != exitDeviations && code != exitInconclusive {
		t.Fatalf("%s: exit code %d: %s", path, code, errs.String())
	}
	judged, err := os.ReadFile(list)
	if err != nil {
		t.Fatal(err)
	}
	return lines(t, judged)
}

func lines(t *testing.T, text []byte) []line {
	var list []line
	for s := bufio.NewScanner(bytes.NewReader(text)); s.Scan(); {
		var l line
		if err := json.Unmarshal(s.Bytes(), &l); err != nil {
			t.Fatal(err)
		}
		list = append(list, l)
	}
	return list
}
