#!/bin/sh
# Subscribes the deployed functions to their events. azd runs this after each deployment.
# To run it by hand, set the four variables below, which are outputs of infra/main.bicep.
set -eu

fail() {
    printf '%s\n' "$@" >&2
    exit 1
}

for name in SYSTEM_TOPIC_ID FUNCTION_APP_ID OUTCOME_STORAGE_ACCOUNT_ID CHAT_LEVEL; do
    eval "[ -n \"\${$name:-}\" ]" || fail "$name is not set: it is an output of infra/main.bicep."
done

part() { printf %s "$1" | cut -d/ -f"$2"; }
subscription=$(part "$SYSTEM_TOPIC_ID" 3)
group=$(part "$SYSTEM_TOPIC_ID" 5)
topic=$(part "$SYSTEM_TOPIC_ID" 9)

command -v az >/dev/null || fail "The Azure CLI is needed to subscribe the functions: https://aka.ms/azure-cli"
# Unlike az account show, this fails for a login that has expired.
az account get-access-token --subscription "$subscription" --output none ||
    fail "The Azure CLI cannot use subscription $subscription: run az login, then this again."

subscribe() {
    az deployment group create --name event-subscriptions --output none \
        --subscription "$subscription" --resource-group "$group" \
        --template-file "$(dirname "$0")/../event-subscriptions.bicep" \
        --parameters "systemTopicName=$topic" "functionAppId=$FUNCTION_APP_ID" \
        "deadLetterStorageAccountId=$OUTCOME_STORAGE_ACCOUNT_ID" "chatLevel=$CHAT_LEVEL"
}

explain() {
    list="az functionapp function list --subscription $(part "$FUNCTION_APP_ID" 3)"
    list="$list --resource-group $(part "$FUNCTION_APP_ID" 5) --name $(part "$FUNCTION_APP_ID" 9)"
    if functions=$($list --query "[].name" --output tsv) && [ -z "$functions" ]; then
        printf '%s\n' "The app shows no functions: its code did not load. This command lists them once it has loaded:" \
            "  $list --output table" \
            "This query in Log Analytics shows why:" \
            "  union AppExceptions, AppTraces | where TimeGenerated > ago(1h) and SeverityLevel >= 2"
    else
        printf '%s\n' "The functions are not subscribed. The answer above says why."
    fi
    printf '%s\n' "Existing event subscriptions are not changed. Event Grid retries their events for 24 hours and then" \
        "writes them to the dead-letter container."
}

# It takes some time until Event Grid sees a new function or a new role.
attempt=1
until answer=$(subscribe 2>&1); do
    [ "$attempt" -lt 10 ] || fail "$answer" "$(explain)"
    printf '%s\nThe functions could not be subscribed yet. Trying again in 15 s (%s of 10).\n' "$answer" "$attempt"
    attempt=$((attempt + 1))
    sleep 15
done
printf 'The functions are subscribed to the events of %s, chat level %s.\n' "$topic" "$CHAT_LEVEL"
