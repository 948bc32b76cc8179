package main

import (
	"bytes"
	"debug/buildinfo"
	"encoding/hex"
	"slices"
	"strings"
	"time"
)

// program is what the bill is about.
type program struct {
	name, version string
	hash          [32]byte // SHA-256
	date          time.Time
}

// The part of CycloneDX 1.6 that is written (https://cyclonedx.org/docs/1.6/json/).
type (
	bill struct {
		Schema       string       `json:"$schema"`
		Format       string       `json:"bomFormat"`
		Spec         string       `json:"specVersion"`
		Version      int          `json:"version"`
		Metadata     metadata     `json:"metadata"`
		Components   []component  `json:"components"`
		Dependencies []dependency `json:"dependencies"`
	}
	metadata struct {
		Timestamp  string      `json:"timestamp"`
		Lifecycles []lifecycle `json:"lifecycles"`
		Component  component   `json:"component"`
	}
	lifecycle struct {
		Phase string `json:"phase"`
	}
	component struct {
		Type       string     `json:"type"`
		Ref        string     `json:"bom-ref"`
		Name       string     `json:"name"`
		Version    string     `json:"version"`
		Hashes     []hash     `json:"hashes,omitempty"`
		Licences   []licence  `json:"licenses,omitempty"`
		PURL       string     `json:"purl"`
		Properties []property `json:"properties,omitempty"`
	}
	hash struct {
		Algorithm string `json:"alg"`
		Content   string `json:"content"`
	}
	licence struct {
		Licence    *licenceID `json:"license,omitempty"`
		Expression string     `json:"expression,omitempty"`
	}
	licenceID struct {
		ID string `json:"id"`
	}
	property struct {
		Name  string `json:"name"`
		Value string `json:"value"`
	}
	dependency struct {
		Ref string   `json:"ref"`
		On  []string `json:"dependsOn"`
	}
)

// materials is the bill. Which library needs which other one is not in it: the binary does not say.
func materials(p program, info *buildinfo.BuildInfo, modules []module) bill {
	b := bill{Schema: "http://cyclonedx.org/schema/bom-1.6.schema.json", Format: "CycloneDX", Spec: "1.6", Version: 1}
	self := component{Type: "application", Name: p.name, Version: p.version, Hashes: []hash{{"SHA-256", hex.EncodeToString(p.hash[:])}},
		Licences: []licence{{Licence: &licenceID{"Apache-2.0"}}}, PURL: "pkg:generic/" + p.name + "@" + p.version}
	self.Ref = self.PURL
	for _, s := range info.Settings {
		if strings.HasPrefix(s.Key, "GO") || s.Key == "CGO_ENABLED" || s.Key == "-trimpath" || s.Key == "-ldflags" {
			self.Properties = append(self.Properties, property{"build:" + s.Key, s.Value})
		}
	}
	b.Metadata = metadata{p.date.Format(time.RFC3339), []lifecycle{{"build"}}, self}
	direct := dependency{Ref: self.Ref}
	for _, m := range modules {
		c := component{Type: "library", Name: m.path, Version: m.version, PURL: "pkg:golang/" + m.path + "@" + strings.ReplaceAll(m.version, "+", "%2B"), Licences: licencesOf(m.files)}
		c.Ref = c.PURL
		if m.sum != "" {
			c.Properties = []property{{"go.sum", m.sum}}
		}
		b.Components = append(b.Components, c)
		if m.direct {
			direct.On = append(direct.On, c.Ref)
		}
	}
	b.Dependencies = []dependency{direct}
	return b
}

// licencesOf tells the licence by sentences that it has, or by its own word. Where there are several, none is given: which parts they are for,
// only the text says.
func licencesOf(files []licenceFile) []licence {
	var found []string
	for _, f := range files {
		if strings.HasPrefix(strings.ToLower(f.name), "notice") || strings.HasPrefix(strings.ToLower(f.name), "patents") {
			continue
		}
		if _, rest, ok := bytes.Cut(f.text, []byte("SPDX-License-Identifier: ")); ok {
			line, _, _ := bytes.Cut(rest, []byte("\n"))
			return []licence{{Expression: strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(string(line)), "*/"))}}
		}
		for _, id := range licenceIDs(strings.Join(strings.Fields(string(f.text)), " ")) {
			if !slices.Contains(found, id) {
				found = append(found, id)
			}
		}
	}
	if len(found) != 1 {
		return nil
	}
	return []licence{{Licence: &licenceID{found[0]}}}
}

// licenceIDs are the SPDX identifiers of the licences in a text whose words one space parts.
func licenceIDs(text string) []string {
	var list []string
	add := func(is bool, id string) {
		if is {
			list = append(list, id)
		}
	}
	has := func(s string) bool { return strings.Contains(text, s) }
	bsd := has("Redistribution and use in source and binary forms")
	isc := has("Permission to use, copy, modify, and/or distribute this software") || has("Permission to use, copy, modify, and distribute this software")
	add(has("Apache License Version 2.0, January 2004"), "Apache-2.0")
	add(has("Permission is hereby granted, free of charge, to any person"), "MIT")
	add(bsd && has("endorse or promote"), "BSD-3-Clause")
	add(bsd && !has("endorse or promote"), "BSD-2-Clause")
	add(isc && has("provided that the above copyright notice"), "ISC")
	add(isc && !has("provided that the above copyright notice"), "0BSD")
	return list
}
