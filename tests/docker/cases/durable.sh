# The containers of a publisher with its journal on a volume, and of a subscriber with its cursor on
# another, are killed and made anew under load.
# shellcheck shell=bash disable=SC2154  # set by tests/docker/run

archived() {
  docker exec "$(container archive)" stat -c %s web.log 2>/dev/null || echo 0
}
has_archived() { (($(archived) >= $1)); }

test_durable() {
  local kill victim all
  export RECORDS=2000000
  sh "$root/docker/fanout/access_log" "$RECORDS" >produced
  all=$(stat -c %s produced)
  up
  for kill in 1 2 3 4 5 6; do
    expect "$((kill * 10)) % in the archive" has_archived $((all * kill / 10))
    case $kill in
      3) victim=archive ;;
      6) victim="archive publisher" ;;
      *) victim=publisher ;;
    esac
    for victim in $victim; do
      docker kill "$(container "$victim")" >/dev/null
      docker rm "$(container "$victim")" >/dev/null
    done
    up
  done
  expect "all of it in the archive" has_archived "$all"
  compose_quietly stop publisher archive
  file_of archive /var/lib/pipedup/web.log >got
  expect_same "$RECORDS records, 5 kills of the publisher, 2 of the subscriber" produced got
}
