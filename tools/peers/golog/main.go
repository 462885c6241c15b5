// Golog verifies audit logs and proofs with other people's code: trees and proofs by transparency-dev/merkle, notes and
// tiles by golang.org/x/mod/sumdb. It was written from spec/audit-log.md, and shares nothing with src/.
//
// It reads JSON lines from standard input and answers each with one line, in order:
//
//	{"op":"log","key":"…","folder":"…"}                                   an export, whole
//	{"op":"receipt","key":"…","receipt":{…}}
//	{"op":"inclusion","index":7,"size":22,"leafHash":"…","hashes":["…"],"root":"…"}
//	{"op":"consistency","from":7,"to":22,"hashes":["…"],"fromRoot":"…","toRoot":"…"}
//	{"valid":true}
//	{"valid":false,"finding":"record 7: …"}
//
// What it cannot read at all is {"error":"…"}, never {"valid":false}.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"

	"github.com/transparency-dev/merkle/proof"
	"github.com/transparency-dev/merkle/rfc6962"
)

// A line holds a receipt of a batch at most.
const lineBytesMax = 16 << 20

type request struct {
	Op       string   `json:"op"`
	Key      string   `json:"key"`
	Folder   string   `json:"folder"`
	Receipt  receipt  `json:"receipt"`
	Index    uint64   `json:"index"`
	Size     uint64   `json:"size"`
	From     uint64   `json:"from"`
	To       uint64   `json:"to"`
	LeafHash []byte   `json:"leafHash"`
	Root     []byte   `json:"root"`
	FromRoot []byte   `json:"fromRoot"`
	ToRoot   []byte   `json:"toRoot"`
	Hashes   [][]byte `json:"hashes"`
}

type answer struct {
	Valid   *bool  `json:"valid,omitempty"`
	Finding string `json:"finding,omitempty"`
	Error   string `json:"error,omitempty"`
}

func main() {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, lineBytesMax)
	answers := json.NewEncoder(os.Stdout)
	for lines.Scan() {
		if err := answers.Encode(reply(lines.Bytes())); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	if err := lines.Err(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func reply(line []byte) answer {
	var asked request
	if err := json.Unmarshal(line, &asked); err != nil {
		return answer{Error: err.Error()}
	}
	var finding error
	switch asked.Op {
	case "log":
		finding = verifyLog(asked.Folder, asked.Key)
	case "receipt":
		finding = verifyReceipt(asked.Receipt, asked.Key)
	case "inclusion":
		finding = proof.VerifyInclusion(rfc6962.DefaultHasher, asked.Index, asked.Size, asked.LeafHash, asked.Hashes, asked.Root)
	case "consistency":
		finding = proof.VerifyConsistency(rfc6962.DefaultHasher, asked.From, asked.To, asked.Hashes, asked.FromRoot, asked.ToRoot)
	default:
		return answer{Error: "no such op: " + asked.Op}
	}
	valid := finding == nil
	if valid {
		return answer{Valid: &valid}
	}
	return answer{Valid: &valid, Finding: finding.Error()}
}
