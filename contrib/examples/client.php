#!/usr/bin/env php
<?php
// SPDX-License-Identifier: MIT
// Ask a coprocd: client.php SOCKET LINE...; the listener has replies=status.
$daemon = stream_socket_client("unix://$argv[1]", $errno, $error, 5) or exit(1);
stream_set_timeout($daemon, 5);
foreach (array_slice($argv, 2) as $request) {
    fwrite($daemon, "$request\n");
    $first = fgets($daemon);
    if ($first === false) {
        fwrite(STDERR, "no reply in time\n");
        exit(1);
    } elseif ($first[0] === '+') {
        echo substr($first, 1);
    } elseif ($first[0] === '*') {
        for ($n = (int)substr($first, 1); $n > 0; $n--) echo fgets($daemon);
    } else {
        echo 'no reply: ', preg_replace('/ /', ': ', substr($first, 1), 1);
    }
}
