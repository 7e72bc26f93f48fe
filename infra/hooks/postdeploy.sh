#!/bin/sh
# Subscribe the deployed functions to their events. azd runs this after each deployment; by hand, set the same variables.
set -eu

fail() {
    printf '%s\n' "$@" >&2
    exit 1
}

for name in SYSTEM_TOPIC_ID FUNCTION_APP_ID OUTCOME_STORAGE_ACCOUNT_ID CHAT_LEVEL; do
    eval "[ -n \"\${$name:-}\" ]" || fail "$name is not set: it is an output of infra/main.bicep."
done

subscription=$(printf %s "$SYSTEM_TOPIC_ID" | cut -d/ -f3)
group=$(printf %s "$SYSTEM_TOPIC_ID" | cut -d/ -f5)
topic=$(printf %s "$SYSTEM_TOPIC_ID" | cut -d/ -f9)

command -v az >/dev/null || fail "The Azure CLI is needed to subscribe the functions: https://aka.ms/azure-cli"
az account show --subscription "$subscription" --output none ||
    fail "The Azure CLI cannot use subscription $subscription: run az login, then this again."

subscribe() {
    az deployment group create --name event-subscriptions --output none \
        --subscription "$subscription" --resource-group "$group" \
        --template-file "$(dirname "$0")/../event-subscriptions.bicep" \
        --parameters "systemTopicName=$topic" "functionAppId=$FUNCTION_APP_ID" \
        "deadLetterStorageAccountId=$OUTCOME_STORAGE_ACCOUNT_ID" "chatLevel=$CHAT_LEVEL"
}

# Event Grid does not know of a function that was just deployed, nor of a role that was just given, at once.
attempt=1
until answer=$(subscribe 2>&1); do
    [ "$attempt" -lt 10 ] || fail "$answer" "The functions are not subscribed: are they in $FUNCTION_APP_ID?"
    printf '%s\nEvent Grid is not ready yet: trying again in 15 s (%s of 10).\n' "$answer" "$attempt"
    attempt=$((attempt + 1))
    sleep 15
done
printf 'The functions are subscribed to the events of %s, chat level %s.\n' "$topic" "$CHAT_LEVEL"
